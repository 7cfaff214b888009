rule tabulate_detection:
    """What each detector finds of the clean and of the adversarial images, published numbers beside it."""
    input:
        clean=detection_clean,
        scores=detection_scores,
        reference="reference/xu2017_detection.yaml",
    output:
        csv="<results>/tables/detection.csv",
        markdown="<results>/tables/detection.md",
        html=report(
            "<results>/tables/detection.html",
            caption="../report/detection_table.rst",
            category=STUDY_TITLES["detection"],
            labels=result_labels("table: detection", detection_cells()),
        ),
    log:
        "<logs>/tables/detection.log",
    benchmark:
        "<benchmarks>/tables/detection.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_detection.py"),
        spec=as_json(detection_spec()),
    message:
        "Tabulate what the detectors find"
    shell:
        r"""
        python scripts/tabulate_detection.py \
            --spec {params.spec:q} \
            --clean {input.clean:q} \
            --scores {input.scores:q} \
            --reference {input.reference:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_detection:
    """ROC curves of each detector, one for each attack."""
    input:
        clean=detection_clean,
        scores=detection_scores,
    output:
        png=report(
            "<results>/figures/detection.png",
            caption="../report/detection.rst",
            category=STUDY_TITLES["detection"],
            labels=result_labels("figure: ROC curves", detection_cells()),
        ),
        pdf="<results>/figures/detection.pdf",
    log:
        "<logs>/figures/detection.log",
    benchmark:
        "<benchmarks>/figures/detection.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_detection.py"),
        spec=as_json(detection_spec()),
    message:
        "Draw the ROC curves of the detectors"
    shell:
        r"""
        python scripts/draw_detection.py \
            --spec {params.spec:q} \
            --clean {input.clean:q} \
            --scores {input.scores:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """
