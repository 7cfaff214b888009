from foolflow.studies import robustness

ROBUSTNESS_TABLES = robustness.tables(config, None)
ROBUSTNESS_FIGURES = robustness.figures(config)


rule inspect_victim:
    """Check a victim before it is attacked: its clean accuracy, and warnings."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=named_files,
    output:
        inspection=f"{INSPECTED}/inspection.json",
        provenance="<results>/provenance/robustness/{dataset}/{model}/{defense}/{seed}/inspection.json",
    log:
        "<logs>/robustness/{dataset}/{model}/{defense}/{seed}/inspection.log",
    benchmark:
        "<benchmarks>/robustness/{dataset}/{model}/{defense}/{seed}/inspection.tsv"
    # Its warnings come before the attacks. It is not an ancient() input of theirs, because Snakemake would then overlook
    # outdated judgements.
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(30),
    params:
        program=program,
        code=lambda wildcards: code_digest("scripts.inspect_victim", *victim_modules(wildcards)),
        spec=lambda wildcards: as_json(victim_entries(wildcards) | images_of("robustness")),
    message:
        "Inspect {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} inspect_victim \
            --spec {params.spec:q} \
            --name {wildcards.model}/{wildcards.defense} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --inspection {output.inspection:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule time_victim:
    """Measure how fast a victim is, on one batch."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=named_files,
    output:
        speed=f"{INSPECTED}/speed.json",
        provenance="<results>/provenance/robustness/{dataset}/{model}/{defense}/{seed}/speed.json",
    log:
        "<logs>/robustness/{dataset}/{model}/{defense}/{seed}/speed.log",
    benchmark:
        "<benchmarks>/robustness/{dataset}/{model}/{defense}/{seed}/speed.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(30),
    params:
        program=program,
        code=lambda wildcards: code_digest("scripts.time_victim", *victim_modules(wildcards)),
        spec=lambda wildcards: as_json(
            {
                **victim_entries(wildcards),
                **{key: config["studies"]["robustness"][key] for key in ("norm", "epsilon", "images")},
            }
        ),
    message:
        "Time {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} time_victim \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --speed {output.speed:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule plan_attacks:
    """Choose how many images each attack on a victim gets, so that all fit the budget."""
    input:
        speed=rules.time_victim.output.speed,
    output:
        images=expand(f"{INSPECTED}/images/{{attack}}.json", attack=robustness.attacks(config), allow_missing=True),
        plan=f"{INSPECTED}/plan.json",
        provenance="<results>/provenance/robustness/{dataset}/{model}/{defense}/{seed}/plan.json",
    log:
        "<logs>/robustness/{dataset}/{model}/{defense}/{seed}/plan.log",
    benchmark:
        "<benchmarks>/robustness/{dataset}/{model}/{defense}/{seed}/plan.tsv"
    localrule: True
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        program=program,
        code=code_digest("scripts.plan_attacks", "foolflow.jobs.costs"),
        spec=lambda wildcards: as_spec(robustness.plan_spec(config, wildcards)),
    message:
        "Plan the attacks on {wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} plan_attacks \
            --spec {params.spec:q} \
            --speed {input.speed:q} \
            --images {output.images:q} \
            --plan {output.plan:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule table as tabulate_robustness with:
    """Tabulate the accuracy of each victim: clean, under each attack, and in the worst case."""
    input:
        judgements=judgements_of("robustness", robustness.cells(config)),
        inspections=paths(rules.inspect_victim.output.inspection, robustness.victims(config)),
        plans=paths(rules.plan_attacks.output.plan, robustness.victims(config)),
    output:
        **table_files("robustness", ROBUSTNESS_TABLES),
    pathvars:
        study="robustness",
    localrule: True
    params:
        code=tables_code(ROBUSTNESS_TABLES),
        spec=exhibit_spec(ROBUSTNESS_TABLES),


use rule figure as draw_robustness with:
    """Draw eight images of each victim: original, perturbation and adversarial image."""
    input:
        judgements=judgements_of("robustness", robustness.cells(config)),
        splits=test_splits(robustness.cells(config)),
        adversarial=sets_made(robustness.cells(config)),
    output:
        **figure_files("robustness", ROBUSTNESS_FIGURES),
    pathvars:
        study="robustness",
    localrule: True
    params:
        code=figures_code(ROBUSTNESS_FIGURES),
        spec=exhibit_spec(ROBUSTNESS_FIGURES),


rule plan:
    """Inspect the victims of the study `robustness` and plan their attacks, without running them."""
    input:
        paths(rules.plan_attacks.output.plan, robustness.victims(config)),
        paths(rules.inspect_victim.output.inspection, robustness.victims(config)),


rule robustness:
    """How robust is each classifier: clean, under each attack, and in the worst case; a table and eight images."""
    input:
        rules.tabulate_robustness.output,
        rules.draw_robustness.output,
