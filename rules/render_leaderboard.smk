rule tabulate_transfer:
    """A transfer matrix: success by source and target."""
    input:
        records=lambda wildcards: matrix_files(wildcards, "records.parquet"),
        evaluations=matrix_evaluations,
    output:
        csv="<results>/tables/transfer/{name}.csv",
        markdown="<results>/tables/transfer/{name}.md",
        html=report(
            "<results>/tables/transfer/{name}.html",
            caption="../report/transfer.rst",
            category=STUDY_TITLES["transfer"],
            labels=lambda wildcards: entry_labels("table: transfer {name}", "transfer", wildcards),
        ),
    log:
        "<logs>/tables/transfer/{name}.log",
    benchmark:
        "<benchmarks>/tables/transfer/{name}.tsv"
    wildcard_constraints:
        name=names_matching(matrices()),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_transfer.py"),
        spec=lambda wildcards: as_json(matrix_spec(wildcards.name)),
    message:
        "Tabulate the transfer of {wildcards.name}"
    shell:
        r"""
        python scripts/tabulate_transfer.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --evaluations {input.evaluations:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule tabulate_leaderboard:
    """A board: its victims under every attack, in the worst case, and ranked."""
    input:
        records=lambda wildcards: board_files(wildcards, "records.parquet"),
        evaluations=board_evaluations,
    output:
        csv="<results>/tables/leaderboard/{name}.csv",
        markdown="<results>/tables/leaderboard/{name}.md",
        html=report(
            "<results>/tables/leaderboard/{name}.html",
            caption="../report/leaderboard_table.rst",
            category=STUDY_TITLES["leaderboard"],
            labels=lambda wildcards: entry_labels("table: {name}", "leaderboard", wildcards),
        ),
    log:
        "<logs>/tables/leaderboard/{name}.log",
    benchmark:
        "<benchmarks>/tables/leaderboard/{name}.tsv"
    wildcard_constraints:
        name=names_matching(boards()),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("scripts/tabulate_leaderboard.py"),
        spec=lambda wildcards: as_json(board_spec(wildcards.name)),
    message:
        "Tabulate the board {wildcards.name}"
    shell:
        r"""
        python scripts/tabulate_leaderboard.py \
            --spec {params.spec:q} \
            --records {input.records:q} \
            --evaluations {input.evaluations:q} \
            --csv {output.csv:q} \
            --markdown {output.markdown:q} \
            --html {output.html:q} \
            >{log:q} 2>&1
        """


rule draw_heat_map:
    """A transfer matrix, or a board of the leaderboard, in colours."""
    input:
        table="<results>/tables/{study}/{name}.csv",
    output:
        png=report(
            "<results>/figures/{study}/{name}.png",
            caption="../report/heat_map.rst",
            category=study_category,
            labels=lambda wildcards: entry_labels("figure: {name}", wildcards.study, wildcards),
        ),
        pdf="<results>/figures/{study}/{name}.pdf",
    log:
        "<logs>/figures/{study}/{name}.log",
    benchmark:
        "<benchmarks>/figures/{study}/{name}.tsv"
    wildcard_constraints:
        study="transfer|leaderboard",
        name=names_matching([*matrices(), *boards()]),
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/draw_heat_map.py"),
        spec=lambda wildcards: as_json(heat_map_spec(wildcards)),
    message:
        "Draw {wildcards.name} of the study {wildcards.study}"
    shell:
        r"""
        python scripts/draw_heat_map.py \
            --spec {params.spec:q} \
            --table {input.table:q} \
            --png {output.png:q} \
            --pdf {output.pdf:q} \
            >{log:q} 2>&1
        """


rule write_leaderboard_page:
    """All boards on one page: sorted, filtered, and with the images behind each number."""
    input:
        # The digest of the code sees what is imported, and this is read.
        template="foolflow/pages/leaderboard.html",
        images=[f"<results>/data/{board['dataset']}/test.safetensors" for board in boards().values()],
        records=page_files("records.parquet"),
        adversarial=page_files("adversarial.safetensors"),
        evaluations=page_evaluations(),
    output:
        page=report(
            "<results>/pages/leaderboard.html",
            caption="../report/leaderboard.rst",
            category=STUDY_TITLES["leaderboard"],
            labels=result_labels("page: all boards", board_cells()),
        ),
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
        code=code_digest("scripts/write_leaderboard_page.py"),
        spec=as_json([board_spec(name) for name in boards()]),
    message:
        "Write the page of the leaderboard"
    shell:
        r"""
        python scripts/write_leaderboard_page.py \
            --spec {params.spec:q} \
            --template {input.template:q} \
            --images {input.images:q} \
            --records {input.records:q} \
            --adversarial {input.adversarial:q} \
            --evaluations {input.evaluations:q} \
            --page {output.page:q} \
            >{log:q} 2>&1
        """
