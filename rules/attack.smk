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
    wildcard_constraints:
        attack=names_matching(undivided_attacks()),
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
            --code {params.code:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule attack_shard:
    """Run one share of an attack that has `shards`: some of its batches."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
    output:
        adversarial=temp(f"{SHARD}/adversarial.safetensors"),
        records=temp(f"{SHARD}/records.parquet"),
        run=temp(f"{SHARD}/run.json"),
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.tsv"
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
        "{wildcards.attack} on {wildcards.dataset}/{wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed}), {wildcards.shard} of {wildcards.shards}"
    shell:
        r"""
        python scripts/attack.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --adversarial {output.adversarial:q} \
            --records {output.records:q} \
            --run {output.run:q} \
            --shard {wildcards.shard} \
            --shards {wildcards.shards} \
            --code {params.code:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule gather_attack:
    """Put the shares of an attack together."""
    input:
        adversarial=shard_paths("adversarial.safetensors"),
        records=shard_paths("records.parquet"),
        run=shard_paths("run.json"),
    output:
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
        run="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/run.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    wildcard_constraints:
        attack=names_matching(divided_attacks()),
    group:
        "attack"
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        code=code_digest("scripts/gather_attack.py"),
        spec=attack_spec,
        # Files of a thousand shards are more than a command line holds, so the script is told where they lie.
        shards=lambda wildcards: config["attacks"][wildcards.attack]["shards"],
    message:
        "Gather {wildcards.attack} on {wildcards.dataset}/{wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        python scripts/gather_attack.py \
            --spec {params.spec:q} \
            --folder "$(dirname {output.run:q})/shards" \
            --shards {params.shards} \
            --adversarial {output.adversarial:q} \
            --records {output.records:q} \
            --run {output.run:q} \
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
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}_summary.tsv"
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
