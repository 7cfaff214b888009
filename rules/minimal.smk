from foolflow.studies import minimal

MINIMAL_TABLES = minimal.tables(config, reference("r2_minimal"))
MINIMAL_FIGURES = minimal.figures(config)


use rule table as tabulate_minimal with:
    """Tabulate accuracy, the smallest perturbations that each attack finds, and the speed of the attacks (R2)."""
    input:
        judgements=judgements_of("minimal", minimal.all_attacks(config)),
        accuracies=accuracies_of("minimal", minimal.victims(config)),
        # Timings differ between runs. The judgements show whether anything else has changed.
        runs=ancient(sets_made(minimal.all_attacks(config), "run.json")),
    output:
        **table_files("minimal", MINIMAL_TABLES),
    pathvars:
        study="minimal",
    localrule: True
    params:
        code=tables_code(MINIMAL_TABLES),
        spec=exhibit_spec(MINIMAL_TABLES),


use rule figure as draw_minimal with:
    """Draw the accuracies, and the robust accuracy against distance (R2)."""
    input:
        tables=rules.tabulate_minimal.output.csv,
        judgements=judgements_of("minimal", minimal.attacks(config)),
    output:
        **figure_files("minimal", MINIMAL_FIGURES),
    pathvars:
        study="minimal",
    localrule: True
    params:
        code=figures_code(MINIMAL_FIGURES),
        spec=exhibit_spec(MINIMAL_FIGURES),


use rule figure as draw_perturbation with:
    """Draw an image of the test split, its perturbation, and their sum (R2)."""
    input:
        judgements=lambda wildcards: judgements_of("minimal", [minimal.perturbation(config, wildcards.model)]),
        splits=lambda wildcards: test_splits([minimal.perturbation(config, wildcards.model)]),
        adversarial=lambda wildcards: sets_made([minimal.perturbation(config, wildcards.model)]),
    output:
        png=report(
            "<results>/figures/minimal/{model}/{image}.png",
            caption="../report/perturbation.rst",
            category=minimal.TITLE,
            labels={"result": "figure: perturbation of image {image}", "model": "{model}"},
        ),
        pdf="<results>/figures/minimal/{model}/{image}.pdf",
        provenance="<results>/provenance/figures/minimal/{model}/{image}.json",
    log:
        "<logs>/figures/minimal/{model}/{image}.log",
    benchmark:
        "<benchmarks>/figures/minimal/{model}/{image}.tsv"
    wildcard_constraints:
        image=r"0|[1-9]\d*",
        model=names_matching({cell["model"] for cell in minimal.cells(config)}),
    localrule: True
    params:
        code=code_digest("scripts.draw", "foolflow.figures.perturbation"),
        spec=lambda wildcards: exhibit_spec(
            [minimal.perturbation_figure(config, wildcards.model, int(wildcards.image))]
        ),


rule minimal:
    """R2: a zoo of MNIST networks and the smallest perturbations that fool them; tables, security curves, images."""
    input:
        rules.tabulate_minimal.output,
        rules.draw_minimal.output,
        expand(
            rules.draw_perturbation.output,
            model=config["studies"]["minimal"]["perturbation"]["models"],
            image=config["studies"]["minimal"]["perturbation"]["images"],
        ),
