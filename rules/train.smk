rule train_victim:
    """Train one victim: a data set, a model, a defense and a seed."""
    input:
        train="<results>/data/{dataset}/train.safetensors",
        val="<results>/data/{dataset}/val.safetensors",
    output:
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        history="<results>/victims/{dataset}/{model}/{defense}/{seed}/history.csv",
        training="<results>/victims/{dataset}/{model}/{defense}/{seed}/training.json",
    log:
        "<logs>/victims/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/victims/{dataset}/{model}/{defense}/{seed}.tsv"
    wildcard_constraints:
        defense=names_matching(trained_defenses()),
    group:
        "victim"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(240),
    params:
        code=train_code,
        spec=victim_spec,
    message:
        "Train {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        python scripts/train.py \
            --spec {params.spec:q} \
            --train {input.train:q} \
            --val {input.val:q} \
            --weights {output.weights:q} \
            --history {output.history:q} \
            --training {output.training:q} \
            --checkpoint "$(dirname {output.weights:q})/checkpoint.safetensors" \
            --code {params.code} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule defend_victim:
    """Put a filter that acts at test alone before the undefended victim."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/none/{seed}/weights.safetensors",
        history="<results>/victims/{dataset}/{model}/none/{seed}/history.csv",
        # Its timings differ from run to run; the weights say whether anything else has changed.
        training=ancient("<results>/victims/{dataset}/{model}/none/{seed}/training.json"),
    output:
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        history="<results>/victims/{dataset}/{model}/{defense}/{seed}/history.csv",
        training="<results>/victims/{dataset}/{model}/{defense}/{seed}/training.json",
    log:
        "<logs>/victims/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/victims/{dataset}/{model}/{defense}/{seed}.tsv"
    wildcard_constraints:
        defense=names_matching(sorted(config["defenses"].keys() - set(trained_defenses()))),
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=defend_code,
        spec=victim_parts,
    message:
        "Put {wildcards.defense} before {wildcards.model} on {wildcards.dataset} (seed {wildcards.seed})"
    shell:
        r"""
        python scripts/defend.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --undefended {input.weights:q} \
            --weights {output.weights:q} \
            >{log:q} 2>&1
        """


rule measure_victim:
    """A victim's accuracy on train, val and test, with intervals; and what its training took."""
    input:
        splits=expand("<results>/data/{{dataset}}/{part}.safetensors", part=("train", "val", "test")),
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        # Its timings differ from run to run; the weights say whether anything else has changed.
        training=ancient("<results>/victims/{dataset}/{model}/{defense}/{seed}/training.json"),
    output:
        metrics="<results>/victims/{dataset}/{model}/{defense}/{seed}/metrics.json",
    log:
        "<logs>/victims/{dataset}/{model}/{defense}/{seed}_metrics.log",
    benchmark:
        "<benchmarks>/victims/{dataset}/{model}/{defense}/{seed}_metrics.tsv"
    group:
        "victim"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        code=measure_victim_code,
        spec=victim_spec,
    message:
        "Measure {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        python scripts/measure_victim.py \
            --spec {params.spec:q} \
            --splits {input.splits:q} \
            --weights {input.weights:q} \
            --training {input.training:q} \
            --metrics {output.metrics:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """
