from foolflow.studies import leaderboard

LEADERBOARD_TABLES = leaderboard.tables(config, None)
LEADERBOARD_FIGURES = leaderboard.figures(config)


use rule table as tabulate_leaderboard with:
    """Tabulate each board: the ranked victims under every attack and in the worst case."""
    input:
        judgements=judgements_of("leaderboard", leaderboard.cells(config)),
    output:
        **table_files("leaderboard", LEADERBOARD_TABLES),
    pathvars:
        study="leaderboard",
    localrule: True
    params:
        code=tables_code(LEADERBOARD_TABLES),
        spec=exhibit_spec(LEADERBOARD_TABLES),


use rule figure as draw_leaderboard with:
    """Draw the boards as heat maps."""
    input:
        tables=rules.tabulate_leaderboard.output.csv,
    output:
        **figure_files("leaderboard", LEADERBOARD_FIGURES),
    pathvars:
        study="leaderboard",
    localrule: True
    params:
        code=figures_code(LEADERBOARD_FIGURES),
        spec=exhibit_spec(LEADERBOARD_FIGURES),


rule leaderboard:
    """Every victim under every attack, and under the worst attack on each image; tables and heat maps."""
    input:
        rules.tabulate_leaderboard.output,
        rules.draw_leaderboard.output,
