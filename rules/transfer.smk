from foolflow.studies import transfer

TRANSFER_TABLES = transfer.tables(config, None)
TRANSFER_FIGURES = transfer.figures(config)


use rule table as tabulate_transfer with:
    """Tabulate the transfer matrices: success by source and target."""
    input:
        judgements=judgements_of("transfer", transfer.cells(config)),
    output:
        **table_files("transfer", TRANSFER_TABLES),
    pathvars:
        study="transfer",
    localrule: True
    params:
        code=tables_code(TRANSFER_TABLES),
        spec=exhibit_spec(TRANSFER_TABLES),


use rule figure as draw_transfer with:
    """Draw the transfer matrices as heat maps."""
    input:
        tables=rules.tabulate_transfer.output.csv,
    output:
        **figure_files("transfer", TRANSFER_FIGURES),
    pathvars:
        study="transfer",
    localrule: True
    params:
        code=figures_code(TRANSFER_FIGURES),
        spec=exhibit_spec(TRANSFER_FIGURES),


rule transfer:
    """How often the adversarial images of each victim fool the other victims; tables and heat maps."""
    input:
        rules.tabulate_transfer.output,
        rules.draw_transfer.output,
