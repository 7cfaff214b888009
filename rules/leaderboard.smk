from foolflow.studies import leaderboard

LEADERBOARD_TABLES = leaderboard.tables(config, None)
LEADERBOARD_FIGURES = leaderboard.figures(config)


rule write_leaderboard_page:
    """Write one page with all boards, to sort and filter, and with the images behind each number."""
    input:
        splits=test_splits(leaderboard.cells(config)),
        judgements=judgements_of("leaderboard", leaderboard.cells(config)),
        adversarial=sets_made(leaderboard.cells(config)),
    output:
        page=report(
            "<results>/pages/leaderboard.html",
            caption="../report/leaderboard.rst",
            category=leaderboard.TITLE,
            labels=labels("page: all boards", leaderboard.cells(config)),
        ),
        provenance="<results>/provenance/pages/leaderboard.json",
    log:
        "<logs>/pages/leaderboard.log",
    benchmark:
        "<benchmarks>/pages/leaderboard.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.write_leaderboard_page", "foolflow.pages:leaderboard.html"),
        spec=as_spec(leaderboard.specs(config)),
        inputs=lambda wildcards, input: as_options(input),
    message:
        "Write the leaderboard page"
    shell:
        r"""
        {params.program} write_leaderboard_page \
            --spec {params.spec:q} \
            {params.inputs} \
            --page {output.page:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


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
    """Every victim under every attack, and under the worst attack on each image; tables, heat maps and a page."""
    input:
        rules.tabulate_leaderboard.output,
        rules.draw_leaderboard.output,
        rules.write_leaderboard_page.output,
