rule tabulate_stadv:
    """R1's table: accuracy and attack success of each network beside the paper's and the students'."""
    input:
        metrics=lambda wildcards: accuracy_metrics(SimpleNamespace(study="stadv")),
        records=attack_files(stadv_attacks(), "records.parquet"),
        reference="reference/r1_stadv.yaml",
    output:
        csv="<results>/tables/stadv_success.csv",
        markdown="<results>/tables/stadv_success.md",
        html=report(
            "<results>/tables/stadv_success.html",
            caption="../report/stadv_success.rst",
            category=STUDY_TITLES["stadv"],
            labels=result_labels("table: accuracy and attack success", stadv_attacks()),
        ),
    log:
        "<logs>/tables/stadv_success.log",
    benchmark:
        "<benchmarks>/tables/stadv_success.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_stadv.py"),
        spec=as_json({"title": "stAdv: accuracy and success (R1)", "victims": accuracy_victims("stadv")}),
    message:
        "Tabulate the success of stAdv"
    shell:
        r"""
        python scripts/tabulate_stadv.py \
            --spec {params.spec:q} \
            --metrics {input.metrics:q} \
            --records {input.records:q} \
            --reference {input.reference:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_attacked_images:
    """Images of one attack: its sheet, its flow as arrows, or a grid of classes and targets."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
    output:
        png=report(
            "<results>/figures/{kind}/{dataset}/{model}/{defense}/{seed}/{attack}.png",
            caption="../report/attacked_images.rst",
            category=STUDY_TITLES["stadv"],
            labels={
                "result": "figure: {kind} (seed {seed})",
                "data set": "{dataset}",
                "model": "{model}",
                "attack": "{attack}",
            },
        ),
        pdf="<results>/figures/{kind}/{dataset}/{model}/{defense}/{seed}/{attack}.pdf",
    log:
        "<logs>/figures/{kind}/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/figures/{kind}/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    wildcard_constraints:
        kind="attack_sheet|flow|target_grid",
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=lambda wildcards: code_digest(f"scripts/draw_{wildcards.kind}.py"),
        spec=lambda wildcards: as_json({"title": f"{wildcards.attack} on {wildcards.dataset}, {wildcards.model}"}),
    message:
        "Draw {wildcards.kind} of {wildcards.attack} on {wildcards.dataset}, {wildcards.model}"
    shell:
        r"""
        python scripts/draw_{wildcards.kind}.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


# Two tables over many settings of one attack, each with a figure.
STADV_PARTS = {
    "explorations": {"attacks": exploration_settings, "spec": exploration_spec},
    "post_mortem": {"attacks": post_mortem_steps, "spec": post_mortem_spec},
}


rule tabulate_stadv_part:
    """Success and distortion of many settings of stAdv: the explorations, or the post-mortem."""
    input:
        records=lambda wildcards: attack_files(STADV_PARTS[wildcards.part]["attacks"](), "records.parquet"),
    output:
        csv="<results>/tables/stadv_{part}.csv",
        markdown="<results>/tables/stadv_{part}.md",
        html=report(
            "<results>/tables/stadv_{part}.html",
            caption="../report/stadv_part.rst",
            category=STUDY_TITLES["stadv"],
            labels={"result": "table: {part}", "data set": "see title", "model": "see table", "attack": "stadv"},
        ),
    log:
        "<logs>/tables/stadv_{part}.log",
    benchmark:
        "<benchmarks>/tables/stadv_{part}.tsv"
    wildcard_constraints:
        part=names_matching(STADV_PARTS),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_digest(f"scripts/tabulate_{wildcards.part}.py"),
        spec=lambda wildcards: as_json(STADV_PARTS[wildcards.part]["spec"]()),
    message:
        "Tabulate the {wildcards.part} of stAdv"
    shell:
        r"""
        python scripts/tabulate_{wildcards.part}.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_stadv_part:
    """The explorations against each parameter, or the post-mortem as a waterfall."""
    input:
        table="<results>/tables/stadv_{part}.csv",
    output:
        png=report(
            "<results>/figures/stadv_{part}.png",
            caption="../report/stadv_part.rst",
            category=STUDY_TITLES["stadv"],
            labels={"result": "figure: {part}", "data set": "see title", "model": "see table", "attack": "stadv"},
        ),
        pdf="<results>/figures/stadv_{part}.pdf",
    log:
        "<logs>/figures/stadv_{part}.log",
    benchmark:
        "<benchmarks>/figures/stadv_{part}.tsv"
    wildcard_constraints:
        part=names_matching(STADV_PARTS),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_digest(f"scripts/draw_{wildcards.part}.py"),
        spec=lambda wildcards: as_json({"title": STADV_PARTS[wildcards.part]["spec"]()["title"]}),
    message:
        "Draw the {wildcards.part} of stAdv"
    shell:
        r"""
        python scripts/draw_{wildcards.part}.py \
            --spec {params.spec:q} \
            --table {input.table:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """
