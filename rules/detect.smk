rule score_clean:
    """What a detector sees of a victim's clean val and test images."""
    input:
        val="<results>/data/{dataset}/val.safetensors",
        test="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
    output:
        scores="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/clean.parquet",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/clean.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/clean.tsv"
    wildcard_constraints:
        detector=names_matching(config.get("detectors", {})),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        code=score_clean_code,
        spec=detector_spec,
    message:
        "{wildcards.detector} of {wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed}) on clean {wildcards.dataset}"
    shell:
        r"""
        python scripts/score_clean.py \
            --spec {params.spec:q} \
            --val {input.val:q} \
            --test {input.test:q} \
            --weights {input.weights:q} \
            --scores {output.scores:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule score_adversarial:
    """What a detector sees of an adversarial set that was made on its victim."""
    input:
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
    output:
        scores="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/on/{attack}.parquet",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/on/{attack}.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/on/{attack}.tsv"
    wildcard_constraints:
        detector=names_matching(config.get("detectors", {})),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        code=score_adversarial_code,
        spec=detector_spec,
    message:
        "{wildcards.detector} of {wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed}) on {wildcards.attack}"
    shell:
        r"""
        python scripts/score_adversarial.py \
            --spec {params.spec:q} \
            --weights {input.weights:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --scores {output.scores:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """
