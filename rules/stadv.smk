from foolflow.studies import stadv

STADV_TABLES = stadv.tables(config, reference("r1_stadv"))
STADV_FIGURES = stadv.figures(config)


use rule table as tabulate_stadv with:
    """Tabulate accuracy, success, explorations and the post-mortem, next to the published numbers (R1)."""
    input:
        judgements=judgements_of("stadv", stadv.cells(config)),
        accuracies=accuracies_of("stadv", stadv.victims(config)),
    output:
        **table_files("stadv", STADV_TABLES),
    pathvars:
        study="stadv",
    localrule: True
    params:
        code=tables_code(STADV_TABLES),
        spec=exhibit_spec(STADV_TABLES),


use rule figure as draw_stadv with:
    """Draw the accuracies, the explorations, the post-mortem, and attacked images with their flows (R1)."""
    input:
        tables=rules.tabulate_stadv.output.csv,
        judgements=judgements_of("stadv", stadv.attacks(config)),
        splits=test_splits(stadv.attacks(config)),
        adversarial=sets_made([*stadv.attacks(config), *stadv.grids(config)]),
    output:
        **figure_files("stadv", STADV_FIGURES),
    pathvars:
        study="stadv",
    localrule: True
    params:
        code=figures_code(STADV_FIGURES),
        spec=exhibit_spec(STADV_FIGURES),


rule stadv:
    """R1: stAdv on MNIST and FashionMNIST; accuracy, success, grids, flows, explorations and a post-mortem."""
    input:
        rules.tabulate_stadv.output,
        rules.draw_stadv.output,
