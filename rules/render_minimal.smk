rule tabulate_minimal:
    """R2's table: the smallest perturbations that each attack finds on each network."""
    input:
        records=minimal_files("records.parquet"),
    output:
        csv="<results>/tables/minimal_attacks.csv",
        markdown="<results>/tables/minimal_attacks.md",
        html=report(
            "<results>/tables/minimal_attacks.html",
            caption="../report/minimal_attacks.rst",
            category=STUDY_TITLES["minimal"],
            labels=result_labels("table: minimal perturbations", minimal_cells()),
        ),
    log:
        "<logs>/tables/minimal_attacks.log",
    benchmark:
        "<benchmarks>/tables/minimal_attacks.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_minimal.py"),
        spec=as_json(minimal_cells()),
    message:
        "Tabulate the minimal perturbations"
    shell:
        r"""
        python scripts/tabulate_minimal.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule tabulate_minimal_speed:
    """How many images a second each of R2's attacks got through; a table of its own, since no two runs agree on it."""
    input:
        # The timings differ from run to run; the records say whether anything else has changed.
        runs=ancient(minimal_files("run.json")),
        records=minimal_files("records.parquet"),
    output:
        csv="<results>/tables/minimal_speed.csv",
        markdown="<results>/tables/minimal_speed.md",
        html=report(
            "<results>/tables/minimal_speed.html",
            caption="../report/minimal_speed.rst",
            category=STUDY_TITLES["minimal"],
            labels=result_labels("table: speed", minimal_cells()),
        ),
    log:
        "<logs>/tables/minimal_speed.log",
    benchmark:
        "<benchmarks>/tables/minimal_speed.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_minimal_speed.py"),
        spec=as_json(minimal_cells()),
    message:
        "Tabulate the speed of the minimal attacks"
    shell:
        r"""
        python scripts/tabulate_minimal_speed.py \
            --spec {params.spec:q} \
            --runs {input.runs:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_security_curves:
    """Robust accuracy against L2 of every network of R2, by the best of the study's attacks on each image."""
    input:
        records=minimal_files("records.parquet"),
    output:
        png=report(
            "<results>/figures/minimal_security.png",
            caption="../report/minimal_security.rst",
            category=STUDY_TITLES["minimal"],
            labels=result_labels("figure: security curves", minimal_cells()),
        ),
        pdf="<results>/figures/minimal_security.pdf",
    log:
        "<logs>/figures/minimal_security.log",
    benchmark:
        "<benchmarks>/figures/minimal_security.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_security_curves.py"),
        spec=as_json(minimal_cells()),
    message:
        "Draw the security curves"
    shell:
        r"""
        python scripts/draw_security_curves.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


rule draw_perturbation:
    """R2's figure: an image of the test split, its perturbation, and the two together."""
    input:
        images="<results>/data/{dataset}/test.safetensors".format(**perturbation_shown()),
        adversarial=perturbation_file("adversarial.safetensors"),
        records=perturbation_file("records.parquet"),
    output:
        png=report(
            "<results>/figures/minimal/{model}/{image}.png",
            caption="../report/perturbation.rst",
            category=STUDY_TITLES["minimal"],
            labels={
                "result": "figure: perturbation of image {image}",
                "data set": perturbation_shown()["dataset"],
                "model": "{model}",
                "attack": perturbation_shown()["attack"],
            },
        ),
        pdf="<results>/figures/minimal/{model}/{image}.pdf",
    log:
        "<logs>/figures/minimal/{model}/{image}.log",
    benchmark:
        "<benchmarks>/figures/minimal/{model}/{image}.tsv"
    wildcard_constraints:
        image=r"0|[1-9]\d*",
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_perturbation.py"),
        spec=lambda wildcards: as_json({"image": int(wildcards.image), "title": perturbation_title(wildcards)}),
    message:
        "Draw the perturbation of image {wildcards.image} by {wildcards.model}"
    shell:
        r"""
        python scripts/draw_perturbation.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """
