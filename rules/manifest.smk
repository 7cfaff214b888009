rule write_manifest:
    """Collect the records of all jobs in the manifest: checksums, code, config, software and hardware."""
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
        records=records_among,
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


use rule table as tabulate_times with:
    """Tabulate the time spent in each rule. Times differ between runs, so the manifest leaves them out."""
    input:
        # The manifest depends on all other jobs, so their benchmark files exist by then.
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
        page="<results>/tables/times.json",
        provenance="<results>/provenance/tables/times.json",
    pathvars:
        study="times",
    localrule: True
    params:
        code=code_digest("scripts.tabulate", "foolflow.tables.times"),
        spec=exhibit_spec([{"name": "times", "module": "times", "spec": None}]),
