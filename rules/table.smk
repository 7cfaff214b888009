# A study's `use rule` sets the pathvar <study>, the inputs, the outputs, `code` and `spec`, and repeats
# `localrule: True`, which Snakemake does not inherit.
rule table:
    """Template, not a target: the rule that makes the tables of a study."""
    output:
        csv="<results>/tables/<study>.csv",
        markdown="<results>/tables/<study>.md",
        html="<results>/tables/<study>.html",
        page="<results>/tables/<study>.json",
        provenance="<results>/provenance/tables/<study>.json",
    log:
        "<logs>/tables/<study>.log",
    benchmark:
        "<benchmarks>/tables/<study>.tsv"
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        program=program,
        code="",
        spec="[]",
        # Snakemake ignores params that take `input` when it looks for changes; the inputs are a trigger already.
        inputs=lambda wildcards, input: as_options(input),
    message:
        "Make tables: {output.csv}"
    shell:
        r"""
        {params.program} tabulate \
            --spec {params.spec:q} \
            {params.inputs} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            --page {output.page:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """
