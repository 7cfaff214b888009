from foolflow.studies import defenses

DEFENSES_TABLES = defenses.tables(config, reference("r3_defenses"))
DEFENSES_FIGURES = defenses.figures(config)


def squeezed_cell(wildcards):
    """Return the undefended victim and the attack whose images an evaluation shows before and after its filters."""
    wanted = {"evaluation": wildcards.evaluation, "model": wildcards.model, "seed": int(wildcards.seed)}
    return next(cell for cell in defenses.squeezed(config) if all(cell[key] == wanted[key] for key in wanted))


def squeezed_victims(wildcards):
    cell = squeezed_cell(wildcards)
    return [SimpleNamespace(**{**cell, "defense": name}) for name in cell["filters"]]


def squeezed_weights(wildcards):
    """Return the weights of the victim with each filter, one file for each. Supplied weights are the same for all."""
    return [weights_of(vars(victim))[0] for victim in squeezed_victims(wildcards)]


def squeezed_files(wildcards):
    """Return all other files that the victims are loaded from."""
    victims = [{"model": one.model, "defense": one.defense} for one in squeezed_victims(wildcards)]
    further = [file for one in squeezed_victims(wildcards) for file in weights_of(vars(one))[1:]]
    return list(dict.fromkeys([*further, *(file for victim in victims for file in named_files(victim))]))


def squeeze_code(wildcards):
    modules = [module for victim in squeezed_victims(wildcards) for module in victim_modules(victim)]
    return code_digest("scripts.squeeze_examples", *modules)


def squeeze_spec(wildcards):
    cell = squeezed_cell(wildcards)
    model = victim_entries(SimpleNamespace(**cell))["model"]
    filters = [
        {"name": victim.defense, "defense": victim_entries(victim)["defense"]} for victim in squeezed_victims(wildcards)
    ]
    return as_json({"model": model, "filters": filters})


rule squeeze_examples:
    """Filter a few clean and adversarial images with each defense of an evaluation, and classify the results."""
    input:
        images=lambda wildcards: test_splits([squeezed_cell(wildcards)]),
        undefended=lambda wildcards: weights_of(squeezed_cell(wildcards)),
        weights=squeezed_weights,
        named=squeezed_files,
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
