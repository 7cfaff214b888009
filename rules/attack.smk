rule attack_victim:
    """Run one attack, at all of its epsilons, on one victim."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
    output:
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
        run="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/run.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    group:
        "attack"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(120),
    params:
        code=attack_code,
        spec=attack_spec,
    message:
        "{wildcards.attack} on {wildcards.dataset}/{wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        python scripts/attack.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --adversarial {output.adversarial:q} \
            --records {output.records:q} \
            --run {output.run:q} \
            --device {resources.device} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule summarise_attack:
    """Success, accuracy and distances of an attack, with intervals; and what its run took."""
    input:
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
        # Its timings differ from run to run; the records say whether anything else has changed.
        run=ancient("<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/run.json"),
    output:
        summary="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/summary.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}_summary.log",
    group:
        "attack"
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("scripts/summarise_attack.py"),
    message:
        "Summarise {wildcards.attack} on {wildcards.dataset}/{wildcards.model} (defense {wildcards.defense})"
    shell:
        r"""
        python scripts/summarise_attack.py \
            --records {input.records:q} \
            --run {input.run:q} \
            --summary {output.summary:q} \
            >{log:q} 2>&1
        """
