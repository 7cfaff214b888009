rule attack_victim:
    """Run one attack, at all of its epsilons, on one victim."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
    output:
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
        summary="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/summary.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=6000,
        runtime=120,
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
            --summary {output.summary:q} \
            --device {resources.device} \
            --threads {threads} \
            >{log:q} 2>&1
        """
