# A study's `use rule` sets the pathvar <study>, the inputs, the outputs, `code` and `spec`, and repeats
# `localrule: True`, which Snakemake does not inherit.
rule figure:
    """Template, not a target: the rule that draws the figures of a study."""
    output:
        png="<results>/figures/<study>.png",
        pdf="<results>/figures/<study>.pdf",
        provenance="<results>/provenance/figures/<study>.json",
    log:
        "<logs>/figures/<study>.log",
    benchmark:
        "<benchmarks>/figures/<study>.tsv"
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
        "Draw figures: {output.png}"
    shell:
        r"""
        {params.program} draw \
            --spec {params.spec:q} \
            {params.inputs} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """
