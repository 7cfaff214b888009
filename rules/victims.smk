rule train_victim:
    """Train one victim: a data set, a model, a defense and a seed. Supplied weights are never trained."""
    input:
        train="<results>/data/{dataset}/train.safetensors",
        val="<results>/data/{dataset}/val.safetensors",
        named=named_files,
    output:
        weights=VICTIM_WEIGHTS,
        history="<results>/victims/{dataset}/{model}/{defense}/{seed}/history.csv",
        training="<results>/victims/{dataset}/{model}/{defense}/{seed}/training.json",
        provenance="<results>/provenance/victims/{dataset}/{model}/{defense}/{seed}.json",
    log:
        "<logs>/victims/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/victims/{dataset}/{model}/{defense}/{seed}.tsv"
    wildcard_constraints:
        model=names_matching(trained_models()),
        defense=names_matching(trained_defenses(config)),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(240),
    params:
        program=program,
        code=train_code,
        spec=train_spec,
    message:
        "Train {wildcards.model} on {wildcards.dataset} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} train \
            --spec {params.spec:q} \
            --train {input.train:q} \
            --val {input.val:q} \
            --named {input.named:q} \
            --weights {output.weights:q} \
            --history {output.history:q} \
            --training {output.training:q} \
            --checkpoint "$(dirname {output.weights:q})/checkpoint.safetensors" \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """
