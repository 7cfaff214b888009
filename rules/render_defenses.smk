rule tabulate_defenses:
    """One evaluation of the study `defenses`: accuracy of each defense under each attack, and signs of masking."""
    input:
        outcomes=defense_outcomes,
        reference="reference/r3_defenses.yaml",
    output:
        csv="<results>/tables/defenses_{evaluation}.csv",
        markdown="<results>/tables/defenses_{evaluation}.md",
        html=report(
            "<results>/tables/defenses_{evaluation}.html",
            caption="../report/defenses.rst",
            category=STUDY_TITLES["defenses"],
            labels={"result": "table: {evaluation}", "data set": "see title", "model": "see table", "attack": "all"},
        ),
    log:
        "<logs>/tables/defenses_{evaluation}.log",
    benchmark:
        "<benchmarks>/tables/defenses_{evaluation}.tsv"
    wildcard_constraints:
        evaluation=names_matching([entry["name"] for entry in defense_evaluations()]),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_defenses.py"),
        spec=defense_table_spec,
    message:
        "Tabulate the defenses of the evaluation {wildcards.evaluation}"
    shell:
        r"""
        python scripts/tabulate_defenses.py \
            --spec {params.spec:q} \
            --outcomes {input.outcomes:q} \
            --reference {input.reference:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule squeeze_examples:
    """What a victim's filter makes of a few images, clean and attacked, and what the victim makes of those."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        undefended="<results>/victims/{dataset}/{model}/none/{seed}/weights.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        adversarial="<results>/attacks/{dataset}/{model}/none/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/none/{seed}/{attack}/records.parquet",
    output:
        examples="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/squeezed/{attack}.safetensors",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/squeezed/{attack}.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/squeezed/{attack}.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        code=lambda wildcards: code_digest("scripts/squeeze_examples.py", *victim_files(wildcards)),
        spec=victim_parts,
    message:
        "Squeeze examples of {wildcards.attack} by {wildcards.defense} ({wildcards.dataset}, {wildcards.model})"
    shell:
        r"""
        python scripts/squeeze_examples.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --undefended {input.undefended:q} \
            --weights {input.weights:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --examples {output.examples:q} \
            >{log:q} 2>&1
        """


rule draw_squeezed:
    """R3's idea in pictures: clean, adversarial and squeezed images with predictions and confidences."""
    input:
        examples="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/squeezed/{attack}.safetensors",
    output:
        png=report(
            "<results>/figures/squeezed/{dataset}/{model}/{defense}/{seed}/{attack}.png",
            caption="../report/squeezed.rst",
            category=STUDY_TITLES["defenses"],
            labels={
                "result": "figure: squeezed by {defense} (seed {seed})",
                "data set": "{dataset}",
                "model": "{model}",
                "attack": "{attack}",
            },
        ),
        pdf="<results>/figures/squeezed/{dataset}/{model}/{defense}/{seed}/{attack}.pdf",
    log:
        "<logs>/figures/squeezed/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/figures/squeezed/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_squeezed.py"),
        spec=lambda wildcards: as_json(
            {"title": "{attack} on {dataset}, {model}, before and after {defense}".format(**wildcards)}
        ),
    message:
        "Draw examples of {wildcards.attack} squeezed by {wildcards.defense}"
    shell:
        r"""
        python scripts/draw_squeezed.py \
            --spec {params.spec:q} \
            --examples {input.examples:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """
