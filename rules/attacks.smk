rule attack_victim:
    """Run one attack on one victim, at all epsilons of the attack."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        plan=planned_images,
        named=named_files,
    output:
        adversarial=f"{ATTACK}/adversarial.safetensors",
        run=f"{ATTACK}/run.json",
        provenance="<results>/provenance/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    wildcard_constraints:
        attack=names_matching(undivided_attacks()),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(120),
    params:
        program=program,
        code=attack_code,
        spec=attack_spec,
    message:
        "Run {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --adversarial {output.adversarial:q} \
            --run {output.run:q} \
            --plan {input.plan:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule attack_shard:
    """Run one shard of a divided attack: a part of its batches.

    There may be thousands of shards. One folder costs Snakemake less than three files in it.
    """
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        plan=planned_images,
        named=named_files,
    output:
        temp(directory(SHARD)),
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        attack=names_matching(divided_attacks()),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS_PER_JOB,
        device=DEVICE,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(120),
    params:
        program=program,
        code=attack_code,
        spec=attack_spec,
    message:
        "Run {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed}), shard {wildcards.shard} of {wildcards.shards}"
    shell:
        r"""
        {params.program} attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --adversarial {output:q}/adversarial.safetensors \
            --run {output:q}/run.json \
            --plan {input.plan:q} \
            --shard {wildcards.shard} \
            --shards {wildcards.shards} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output:q}/provenance.json \
            --log {log:q}
        """


rule gather_attack:
    """Combine the parts of a divided attack into one adversarial set."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=named_files,
        parts=parts_of_attack,
    output:
        adversarial=f"{ATTACK}/adversarial.safetensors",
        run=f"{ATTACK}/run.json",
        provenance="<results>/provenance/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.json",
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}.tsv"
    wildcard_constraints:
        attack=names_matching(divided_attacks()),
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.gather_attack"),
        attack=attack_code,  # a change of it makes the shards again, which are not kept
        spec=attack_spec,
    message:
        "Combine the shards of {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} gather_attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --parts {input.parts:q} \
            --adversarial {output.adversarial:q} \
            --run {output.run:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


rule gather_shards:
    """Combine consecutive shards of a divided attack into one part of it, so that no job waits for all shards."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=named_files,
        parts=shards_of_group,
    output:
        temp(directory(GROUP)),
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{first}_to_{last}_of_{shards}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{first}_to_{last}_of_{shards}.tsv"
    wildcard_constraints:
        attack=names_matching(divided_attacks()),
    conda:
        "../envs/plots.yaml"
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        program=program,
        code=code_digest("scripts.gather_attack"),
        attack=attack_code,
        spec=attack_spec,
    message:
        "Combine shards {wildcards.first} to {wildcards.last} of {wildcards.shards} of {wildcards.attack} "
        "on {wildcards.dataset}/{wildcards.model} (defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} gather_attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --parts {input.parts:q} \
            --adversarial {output:q}/adversarial.safetensors \
            --run {output:q}/run.json \
            --code {params.code:q} \
            --provenance {output:q}/provenance.json \
            --log {log:q}
        """
