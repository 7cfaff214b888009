rule write_manifest:
    """Gather what the jobs recorded when they ran: checksums, code, config, software and hardware."""
    input:
        [getattr(rules, study).input for study in config["studies"]],
    output:
        manifest="<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.write_manifest"),
        records=lambda wildcards, input: [path for path in input if "/provenance/" in path],
    message:
        "Write the manifest"
    shell:
        r"""
        {params.program} write_manifest \
            --results "$(dirname {output.manifest:q})" \
            --records {params.records:q} \
            --manifest {output.manifest:q} \
            --log {log:q}
        """


use rule table from tables as tabulate_times with:
    """Where the time went, rule by rule: not in the manifest, since no two runs take the same time."""
    input:
        # Last of all, when every other job has left its benchmark file.
        manifest=rules.write_manifest.output.manifest,
    output:
        csv="<results>/tables/times.csv",
        markdown="<results>/tables/times.md",
        html=report(
            "<results>/tables/times.html",
            caption="../report/times.rst",
            category="The run",
            labels={"result": "table: where the time went"},
        ),
        provenance="<results>/provenance/tables/times.json",
    pathvars:
        study="times",
    localrule: True
    params:
        program=program,
        code=code_digest("scripts.tabulate", "foolflow.tables.times"),
        spec=exhibit_spec(
            [{"name": "times", "module": "times", "spec": {"benchmarks": f"{config['results']}/benchmarks"}}]
        ),
