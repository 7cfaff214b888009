rule evaluate_victim:
    """What a victim makes of an adversarial set: its own, or that of another victim of the same data set."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
        adversarial="<results>/attacks/{dataset}/{source}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{source}/{attack}/records.parquet",
    output:
        evaluation="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/on/{source}/{attack}.parquet",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/on/{source}/{attack}.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/on/{source}/{attack}.tsv"
    wildcard_constraints:
        source=rf"({names_matching(config['models'])})/({names_matching(['none', *config['defenses']])})/\d+",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        code=evaluate_code,
        spec=victim_spec,
    message:
        "{wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed}) on {wildcards.attack} of {wildcards.source}"
    shell:
        r"""
        python scripts/evaluate.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --evaluation {output.evaluation:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """


rule export_modified:
    """Turn an adversarial set into 8-bit images that torchvision's ImageFolder loads."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        adversarial="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors",
        records="<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet",
    output:
        folder=directory("<results>/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}"),
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
        code=code_digest("scripts/export_images.py"),
        spec=lambda wildcards: as_json({"epsilon": float(wildcards.epsilon)}),
    message:
        "Write {wildcards.dataset} as {wildcards.attack} changed it (epsilon {wildcards.epsilon})"
    shell:
        r"""
        python scripts/export_images.py \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --adversarial {input.adversarial:q} \
            --records {input.records:q} \
            --folder {output.folder:q} \
            >{log:q} 2>&1
        """


rule measure_modified:
    """A victim's accuracy on a modified data set, read back from its files."""
    input:
        folder="<results>/datasets/{dataset}/{model}/{defense}/{seed}/{attack}/{epsilon}",
        weights="<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors",
    output:
        result="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/modified/{attack}/{epsilon}.json",
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
        code=measure_images_code,
        spec=measure_images_spec,
    message:
        "{wildcards.model} on {wildcards.dataset} as {wildcards.attack} changed it (epsilon {wildcards.epsilon})"
    shell:
        r"""
        python scripts/measure_images.py \
            --spec {params.spec:q} \
            --folder {input.folder:q} \
            --weights {input.weights:q} \
            --result {output.result:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            >{log:q} 2>&1
        """
