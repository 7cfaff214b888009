rule write_page:
    """Write the page: the answer, a section for each study, images to explore, and where the numbers come from."""
    input:
        table_pages=paths_of_exhibits("tables", "json"),
        figures=paths_of_exhibits("figures", "png"),
        tables=paths("<results>/tables/{table}.csv", [board for board in PAGE_BOARDS if board["table"]]),
        judgements=paths(f"{JUDGEMENT}/records.parquet", read_by_page(config)),
        adversarial=sets_made(PAGE_CELLS),
        splits=test_splits(PAGE_CELLS),
        manifest=rules.write_manifest.output.manifest,
        times=rules.tabulate_times.output.page,
    output:
        page="<results>/index.html",
        provenance="<results>/provenance/page.json",
    log:
        "<logs>/page.log",
    benchmark:
        "<benchmarks>/page.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.write_page", *PAGE_TEMPLATES),
        spec=as_spec(
            {
                "sections": PAGE_SECTIONS,
                "boards": PAGE_BOARDS,
                "cells": PAGE_CELLS,
                "seeds": PAGE_SEEDS,
                "megabytes": config["page"]["megabytes"],
            }
        ),
        inputs=lambda wildcards, input: as_options(input),
        # How this run was called does not change what the page says, so these take `input`, and Snakemake ignores them.
        command=lambda wildcards, input: command_to_remake(),
        report=lambda wildcards, input, output: report_beside(output.page),
    message:
        "Write the page: {output.page}"
    shell:
        r"""
        {params.program} write_page \
            --spec {params.spec:q} \
            {params.inputs} \
            --page {output.page:q} \
            --results "$(dirname {output.page:q})" \
            --command {params.command:q} \
            {params.report} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule page:
    """One page about everything that the config contains: index.html in the results folder."""
    input:
        rules.write_page.output.page,
