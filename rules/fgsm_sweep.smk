from foolflow.studies import fgsm_sweep

FGSM_SWEEP_TABLES = fgsm_sweep.tables(config, reference("r4_fgsm_sweep"))
FGSM_SWEEP_FIGURES = fgsm_sweep.figures(config)

# The sweeps, with `modified_epsilon` under the name of its wildcard, in four digits, which suffice to find it again.
SWEEPS = [{**sweep, "epsilon": f"{sweep['modified_epsilon']:.4g}"} for sweep in fgsm_sweep.sweeps(config)]


rule export_modified:
    """Export an adversarial set as 8-bit images that torchvision's ImageFolder can load."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        adversarial=f"{ATTACK}/adversarial.safetensors",
    output:
        folder=directory("<results>/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}"),
        provenance="<results>/provenance/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}.json",
    log:
        "<logs>/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}.log",
    benchmark:
        "<benchmarks>/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}.tsv"
    group:
        "modified"
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.export_images"),
        spec=lambda wildcards: as_json({"epsilon": float(wildcards.epsilon)}),
    message:
        "Export {wildcards.dataset}, modified by {wildcards.attack} (epsilon {wildcards.epsilon})"
    shell:
        r"""
        {params.program} export_images \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --adversarial {input.adversarial:q} \
            --folder {output.folder:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule measure_modified:
    """Measure a victim's accuracy on an exported data set, read back from its files."""
    input:
        folder=rules.export_modified.output.folder,
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=named_files,
    output:
        result="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/modified/{attack}/{epsilon}.json",
        provenance="<results>/provenance/evaluations/{dataset}/{model}/{defense}/{seed}/modified/{attack}/{epsilon}.json",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/modified/{attack}/{epsilon}.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/modified/{attack}/{epsilon}.tsv"
    group:
        "modified"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(30),
    params:
        program=program,
        code=lambda wildcards: code_digest("scripts.measure_images", *victim_modules(wildcards)),
        spec=lambda wildcards: as_json({**victim_entries(wildcards), "epsilon": float(wildcards.epsilon)}),
    message:
        "Measure {wildcards.model} on {wildcards.dataset}, modified by {wildcards.attack} (epsilon {wildcards.epsilon})"
    shell:
        r"""
        {params.program} measure_images \
            --spec {params.spec:q} \
            --folder {input.folder:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --result {output.result:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule table as tabulate_fgsm_sweep with:
    """Tabulate the accuracy at each epsilon, next to the published values, and test for a drop (R4)."""
    input:
        judgements=judgements_of("fgsm_sweep", fgsm_sweep.cells(config)),
        modified=paths(rules.measure_modified.output.result, SWEEPS),
    output:
        **table_files("fgsm_sweep", FGSM_SWEEP_TABLES),
    pathvars:
        study="fgsm_sweep",
    localrule: True
    params:
        code=tables_code(FGSM_SWEEP_TABLES),
        spec=exhibit_spec(FGSM_SWEEP_TABLES),


use rule figure as draw_fgsm_sweep with:
    """Draw the accuracy against epsilon, and sample images at each epsilon (R4)."""
    input:
        tables=rules.tabulate_fgsm_sweep.output.csv,
        judgements=judgements_of("fgsm_sweep", fgsm_sweep.cells(config)),
        splits=test_splits(fgsm_sweep.sweeps(config)),
        adversarial=sets_made(fgsm_sweep.sweeps(config)),
    output:
        **figure_files("fgsm_sweep", FGSM_SWEEP_FIGURES),
    pathvars:
        study="fgsm_sweep",
    localrule: True
    params:
        code=figures_code(FGSM_SWEEP_FIGURES),
        spec=exhibit_spec(FGSM_SWEEP_FIGURES),


rule fgsm_sweep:
    """R4: FGSM at a sweep of epsilons; table, curve, samples and the modified data set."""
    input:
        rules.tabulate_fgsm_sweep.output,
        rules.draw_fgsm_sweep.output,
