from foolflow.studies import defenses

DEFENSES_TABLES = defenses.tables(config, reference("r3_defenses"))
DEFENSES_FIGURES = defenses.figures(config)


rule squeeze_examples:
    """Filter a few clean and adversarial images with each defense of an evaluation, and classify the results."""
    input:
        images=lambda wildcards: test_splits([squeezed_cell(wildcards)]),
        undefended=lambda wildcards: weights_of(squeezed_cell(wildcards)),
        weights=lambda wildcards: squeezed_weights(wildcards),
        named=lambda wildcards: squeezed_files(wildcards),
        adversarial=lambda wildcards: sets_made([squeezed_cell(wildcards)]),
    output:
        examples="<results>/evaluations/squeezed/{evaluation}/{model}/{seed}.safetensors",
        provenance="<results>/provenance/evaluations/squeezed/{evaluation}/{model}/{seed}.json",
    log:
        "<logs>/evaluations/squeezed/{evaluation}/{model}/{seed}.log",
    benchmark:
        "<benchmarks>/evaluations/squeezed/{evaluation}/{model}/{seed}.tsv"
    wildcard_constraints:
        evaluation=names_matching(defenses.evaluations(config)),
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        program=program,
        code=squeeze_code,
        spec=squeeze_spec,
    message:
        "Filter examples for {wildcards.evaluation} ({wildcards.model}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} squeeze_examples \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --undefended {input.undefended:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --adversarial {input.adversarial:q} \
            --examples {output.examples:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule table as tabulate_defenses with:
    """Tabulate the accuracy of each defense under each attack, with signs of masking, and what it costs (R3)."""
    input:
        judgements=judgements_of("defenses", defenses.cells(config)),
        # Timings differ between runs. The judgements show whether anything else has changed.
        histories=ancient(paths(rules.train_victim.output.history, defenses.trained(config))),
    output:
        **table_files("defenses", DEFENSES_TABLES),
    pathvars:
        study="defenses",
    localrule: True
    params:
        code=tables_code(DEFENSES_TABLES),
        spec=exhibit_spec(DEFENSES_TABLES),


use rule figure as draw_defenses with:
    """Draw the training curves, filters at several strengths, and images before and after each filter (R3)."""
    input:
        tables=rules.tabulate_defenses.output.csv,
        judgements=judgements_of("defenses", defenses.cells(config)),
        # A history contains times, which differ between runs. The weights show whether anything else has changed.
        histories=ancient(paths(rules.train_victim.output.history, defenses.trained(config))),
        weights=paths(rules.train_victim.output.weights, defenses.trained(config)),
        examples=paths(rules.squeeze_examples.output.examples, defenses.squeezed(config)),
    output:
        **figure_files("defenses", DEFENSES_FIGURES),
    pathvars:
        study="defenses",
    localrule: True
    params:
        code=figures_code(DEFENSES_FIGURES),
        spec=exhibit_spec(DEFENSES_FIGURES),


rule defenses:
    """R3 and beyond: defenses under static, white-box, adaptive and black-box attacks; tables, curves, examples."""
    input:
        rules.tabulate_defenses.output,
        rules.draw_defenses.output,
