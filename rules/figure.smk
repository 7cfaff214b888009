"""A template: the figures of a study. `use rule` gives it the pathvar <study>, inputs, outputs, `code` and `spec`, and
`localrule: True`, which Snakemake does not pass on.
"""

from foolflow.workflow.commands import as_options, program


rule figure:
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
        program=program(workflow.deployment_settings.deployment_method),
        code="",
        spec="[]",
        # Derived from the inputs, which are a trigger of their own.
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
