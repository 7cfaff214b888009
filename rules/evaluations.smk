rule judge_victim:
    """Judge the adversarial sets of a study with one victim, and measure the victim's clean accuracy."""
    input:
        test="<results>/data/{dataset}/test.safetensors",
        other_splits=other_splits,
        weights=weights_of,
        sets=judged_sets,
        named=named_files,
    output:
        records=f"{JUDGEMENT}/records.parquet",
        accuracy=f"{JUDGEMENT}/accuracy.json",
        provenance="<results>/provenance/judgements/{study}/{dataset}/{model}/{defense}/{seed}.json",
    log:
        "<logs>/judgements/{study}/{dataset}/{model}/{defense}/{seed}.log",
    benchmark:
        "<benchmarks>/judgements/{study}/{dataset}/{model}/{defense}/{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        program=program,
        code=judge_code,
        spec=judge_spec,
    message:
        "Judge with {wildcards.model} on {wildcards.dataset} "
        "(defense {wildcards.defense}, seed {wildcards.seed}) for {wildcards.study}"
    shell:
        r"""
        {params.program} judge \
            --spec {params.spec:q} \
            --test {input.test:q} \
            --other-splits {input.other_splits:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --sets {input.sets:q} \
            --records {output.records:q} \
            --accuracy {output.accuracy:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """
