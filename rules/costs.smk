from foolflow.studies.workload import timed, workload

COSTED = timed(config)
COSTED_DATASETS = list(dict.fromkeys(victim["dataset"] for victim in COSTED))


rule measure_speeds:
    """Measure how fast the untrained victims train, classify and give gradients."""
    input:
        test=expand("<results>/data/{dataset}/test.safetensors", dataset=COSTED_DATASETS),
        train=[
            f"<results>/data/{dataset}/train.safetensors"
            for dataset in COSTED_DATASETS
            if "train" in splits_of(config["datasets"][dataset])
        ],
        supplied=[file for one in COSTED if is_supplied(config["models"][one["model"]]) for file in weights_of(one)],
        named=[file for one in COSTED for file in named_files(one)],
    output:
        speeds="<results>/costs/speeds.json",
        provenance="<results>/provenance/costs/speeds.json",
    log:
        "<logs>/costs/speeds.log",
    benchmark:
        "<benchmarks>/costs/speeds.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(60),
    params:
        program=program,
        code=code_digest(
            "scripts.measure_speeds", *(module for one in COSTED for module in victim_modules(SimpleNamespace(**one)))
        ),
        spec=as_spec([one | {"entries": timed_entries(one)} for one in COSTED]),
        inputs=lambda wildcards, input: as_options(input),
    message:
        "Measure how fast the victims are"
    shell:
        r"""
        {params.program} measure_speeds \
            --spec {params.spec:q} \
            {params.inputs} \
            --speeds {output.speeds:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule table as tabulate_costs with:
    """Tabulate the time that the trainings and attacks of each study will take."""
    input:
        speeds=rules.measure_speeds.output.speeds,
    output:
        csv="<results>/tables/costs.csv",
        markdown="<results>/tables/costs.md",
        html="<results>/tables/costs.html",
        page="<results>/tables/costs.json",
        provenance="<results>/provenance/tables/costs.json",
    pathvars:
        study="costs",
    localrule: True
    params:
        code=code_digest("scripts.tabulate", "foolflow.tables.costs", "foolflow.jobs.costs"),
        spec=exhibit_spec([{"name": "costs", "module": "costs", "spec": workload(config)}]),


rule costs:
    """What the config will cost: core-hours of each study, estimated before anything is trained or attacked."""
    input:
        rules.tabulate_costs.output,
