rule train_victim:
    """Train one victim: a data set, a model, a defense and a seed."""
    input:
        train="<results>/data/{dataset}/train.safetensors",
        val="<results>/data/{dataset}/val.safetensors",
        test="<results>/data/{dataset}/test.safetensors",
    output:
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        history="<results>/victims/{dataset}/{model}/{defense}/{seed}/history.csv",
        metrics="<results>/victims/{dataset}/{model}/{defense}/{seed}/metrics.json",
    log:
        "<logs>/victims/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/victims/{dataset}/{model}/{defense}/{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=4000,
        runtime=240,
    params:
        code=train_code,
        spec=victim_spec,
    message:
        "Train {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        python scripts/train.py \
            --spec {params.spec:q} \
            --data "$(dirname {input.train:q})" \
            --weights {output.weights:q} \
            --history {output.history:q} \
            --metrics {output.metrics:q} \
            --checkpoint "$(dirname {output.weights:q})/checkpoint.safetensors" \
            --code {params.code} \
            --device {resources.device} \
            --threads {threads} \
            >{log:q} 2>&1
        """
