rule write_manifest:
    """What the studies made: checksums, code digests, package versions and hardware."""
    input:
        artefacts=[f"<results>/{artefact['path']}" for artefact in all_artefacts()],
    output:
        manifest="<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("scripts/write_manifest.py"),
        artefacts=pack(all_artefacts()),
    message:
        "Write the manifest"
    shell:
        r"""
        python scripts/write_manifest.py \
            --results "$(dirname {output.manifest:q})" \
            --artefacts {params.artefacts} \
            --manifest {output.manifest:q} \
            >{log:q} 2>&1
        """


rule tabulate_times:
    """Where the time went, rule by rule: no artefact of the manifest, since no two runs take the same time."""
    input:
        # Last of all, when every other job has left its benchmark file.
        manifest="<results>/manifest.json",
    output:
        csv="<results>/tables/times.csv",
        markdown="<results>/tables/times.md",
        html=report(
            "<results>/tables/times.html",
            caption="../report/times.rst",
            category="The run",
            labels={"result": "table: where the time went"},
        ),
    log:
        "<logs>/tables/times.log",
    benchmark:
        "<benchmarks>/tables/times.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_times.py"),
    message:
        "Tabulate where the time went"
    shell:
        r"""
        python scripts/tabulate_times.py \
            --benchmarks "$(dirname {input.manifest:q})/benchmarks" \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """
