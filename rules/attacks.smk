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
        shard="",
    message:
        "Run {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --adversarial {output.adversarial:q} \
            --run {output.run:q} \
            --plan {input.plan:q} \
            {params.shard} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule attack_victim as attack_shard with:
    """Run one shard of a divided attack: a part of its batches."""
    output:
        adversarial=temp(f"{SHARD}/adversarial.safetensors"),
        run=temp(f"{SHARD}/run.json"),
        provenance=temp(f"{SHARD}/provenance.json"),
    log:
        "<logs>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.log",
    benchmark:
        "<benchmarks>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/{shard}_of_{shards}.tsv"
    wildcard_constraints:
        attack=names_matching(divided_attacks()),
    params:
        shard="--shard {shard} --shards {shards}",
    message:
        "Run {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed}), shard {wildcards.shard} of {wildcards.shards}"


rule gather_attack:
    """Combine the shards of a divided attack into one adversarial set."""
    input:
        images="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        adversarial=shard_paths("adversarial.safetensors"),
        run=shard_paths("run.json"),
        provenance=shard_paths("provenance.json"),
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
        # The paths of a thousand shards do not fit on a command line, so the program receives their folder.
        shards=lambda wildcards: config["attacks"][wildcards.attack]["shards"],
    message:
        "Combine the shards of {wildcards.attack} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} gather_attack \
            --spec {params.spec:q} \
            --images {input.images:q} \
            --weights {input.weights:q} \
            --folder "$(dirname {output.run:q})/shards" \
            --shards {params.shards} \
            --adversarial {output.adversarial:q} \
            --run {output.run:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """
