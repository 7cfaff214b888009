rule tabulate_fgsm_sweep:
    """R4's table: accuracy per epsilon, published beside it, and the test whether the model does worse."""
    input:
        records=sweep_paths("<results>/attacks/{dataset}/{model}/none/{seed}/{attack}/records.parquet"),
        modified=sweep_paths(
            "<results>/evaluations/{dataset}/{model}/none/{seed}/modified/{attack}/{modified_epsilon}.json"
        ),
        reference="reference/r4_fgsm_sweep.yaml",
    output:
        csv="<results>/tables/fgsm_sweep.csv",
        markdown="<results>/tables/fgsm_sweep.md",
        html=report(
            "<results>/tables/fgsm_sweep.html",
            caption="../report/fgsm_sweep_table.rst",
            category=STUDY_TITLES["fgsm_sweep"],
            labels=result_labels("table: accuracy per epsilon", sweeps()),
        ),
    log:
        "<logs>/tables/fgsm_sweep.log",
    benchmark:
        "<benchmarks>/tables/fgsm_sweep.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_fgsm_sweep.py"),
        spec=as_json(sweep_table_spec()),
    message:
        "Tabulate the FGSM sweeps"
    shell:
        r"""
        python scripts/tabulate_fgsm_sweep.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --modified {input.modified:q} \
            --reference {input.reference:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_accuracy_curve:
    """R4's figure: accuracy against epsilon, with intervals and the published points."""
    input:
        table="<results>/tables/fgsm_sweep.csv",
    output:
        png=report(
            "<results>/figures/fgsm_sweep.png",
            caption="../report/fgsm_sweep.rst",
            category=STUDY_TITLES["fgsm_sweep"],
            labels=result_labels("figure: accuracy per epsilon", sweeps()),
        ),
        pdf="<results>/figures/fgsm_sweep.pdf",
    log:
        "<logs>/figures/fgsm_sweep.log",
    benchmark:
        "<benchmarks>/figures/fgsm_sweep.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_accuracy_curve.py"),
    message:
        "Draw accuracy against epsilon"
    shell:
        r"""
        python scripts/draw_accuracy_curve.py \
            --table {input.table:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


rule draw_sample_grid:
    """The same images, clean and at every epsilon of an attack."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
    output:
        png=report(
            "<results>/figures/samples/{dataset}/{model}/{defense}/{seed}/{attack}.png",
            caption="../report/samples.rst",
            category=STUDY_TITLES["fgsm_sweep"],
            labels={
                "result": "figure: samples (seed {seed})",
                "data set": "{dataset}",
                "model": "{model}",
                "attack": "{attack}",
            },
        ),
        pdf="<results>/figures/samples/{dataset}/{model}/{defense}/{seed}/{attack}.pdf",
    log:
        "<logs>/figures/samples/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/figures/samples/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_sample_grid.py"),
        spec=lambda wildcards: as_json({"title": f"{wildcards.attack} on {wildcards.dataset}, {wildcards.model}"}),
    message:
        "Draw samples of {wildcards.attack} on {wildcards.dataset}"
    shell:
        r"""
        python scripts/draw_sample_grid.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


rule tabulate_accuracy:
    """The accuracy of each network of R1 or R2 beside the published columns."""
    input:
        metrics=accuracy_metrics,
        reference=lambda wildcards: ACCURACY_STUDIES[wildcards.study]["reference"],
    output:
        csv="<results>/tables/{study}_accuracy.csv",
        markdown="<results>/tables/{study}_accuracy.md",
        html=report(
            "<results>/tables/{study}_accuracy.html",
            caption="../report/accuracy_table.rst",
            category=study_category,
            labels={"result": "table: accuracy", "data set": "all", "model": "all", "attack": "none"},
        ),
    log:
        "<logs>/tables/{study}_accuracy.log",
    benchmark:
        "<benchmarks>/tables/{study}_accuracy.tsv"
    wildcard_constraints:
        study=names_matching(ACCURACY_STUDIES),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_accuracy.py"),
        spec=lambda wildcards: as_json(
            {"title": ACCURACY_STUDIES[wildcards.study]["title"], "victims": accuracy_victims(wildcards.study)}
        ),
    message:
        "Tabulate the accuracies of the study {wildcards.study}"
    shell:
        r"""
        python scripts/tabulate_accuracy.py \
            --spec {params.spec:q} \
            --metrics {input.metrics:q} \
            --reference {input.reference:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_accuracy_dots:
    """The accuracies of R1 or R2 with their intervals, beside the published points."""
    input:
        table="<results>/tables/{study}_accuracy.csv",
    output:
        png=report(
            "<results>/figures/{study}_accuracy.png",
            caption="../report/accuracy.rst",
            category=study_category,
            labels={"result": "figure: accuracy", "data set": "all", "model": "all", "attack": "none"},
        ),
        pdf="<results>/figures/{study}_accuracy.pdf",
    log:
        "<logs>/figures/{study}_accuracy.log",
    benchmark:
        "<benchmarks>/figures/{study}_accuracy.tsv"
    wildcard_constraints:
        study=names_matching(ACCURACY_STUDIES),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_accuracy_dots.py"),
        spec=lambda wildcards: as_json({"title": ACCURACY_STUDIES[wildcards.study]["title"]}),
    message:
        "Draw the accuracies of the study {wildcards.study}"
    shell:
        r"""
        python scripts/draw_accuracy_dots.py \
            --spec {params.spec:q} \
            --table {input.table:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


rule draw_training_curves:
    """Loss and accuracy over the epochs of a training."""
    input:
        history="<results>/victims/{dataset}/{model}/{defense}/{seed}/history.csv",
    output:
        png=report(
            "<results>/figures/training/{dataset}/{model}/{defense}/{seed}.png",
            caption="../report/training.rst",
            category=STUDY_TITLES["defenses"],
            labels={
                "result": "figure: training (defense {defense}, seed {seed})",
                "data set": "{dataset}",
                "model": "{model}",
                "attack": "none",
            },
        ),
        pdf="<results>/figures/training/{dataset}/{model}/{defense}/{seed}.pdf",
    log:
        "<logs>/figures/training/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/figures/training/{dataset}/{model}/{defense}/{seed}.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_training_curves.py"),
        spec=lambda wildcards: as_json(
            {"title": f"{wildcards.model} on {wildcards.dataset}, defense {wildcards.defense}, seed {wildcards.seed}"}
        ),
    message:
        "Draw the training of {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense})"
    shell:
        r"""
        python scripts/draw_training_curves.py \
            --spec {params.spec:q} \
            --history {input.history:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """
