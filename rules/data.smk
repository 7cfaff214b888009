rule fetch_idx:
    """Download MNIST or FashionMNIST, or take it from the data mirror; every file is checked."""
    output:
        files=expand("<results>/data/{{dataset}}/raw/{file}", file=DOWNLOADS["mnist"].files),
    log:
        "<logs>/data/{dataset}/fetch.log",
    benchmark:
        "<benchmarks>/data/{dataset}/fetch.tsv"
    wildcard_constraints:
        dataset=names_matching(datasets_from("mnist", "fashion_mnist")),
    retries: 2
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        # No digest of the code: whatever fetched them, the files are those of the published checksums.
        source=lambda wildcards: config["datasets"][wildcards.dataset]["source"],
    message:
        "Fetch {wildcards.dataset}"
    shell:
        r"""
        python scripts/fetch.py \
            --source {params.source:q} \
            --raw "$(dirname {output.files[0]:q})" \
            >{log:q} 2>&1
        """


rule fetch_cifar10:
    """Download CIFAR-10, or take it from the data mirror; every file is checked."""
    output:
        files=expand("<results>/data/{{dataset}}/raw/{file}", file=DOWNLOADS["cifar10"].files),
    log:
        "<logs>/data/{dataset}/fetch.log",
    benchmark:
        "<benchmarks>/data/{dataset}/fetch.tsv"
    wildcard_constraints:
        dataset=names_matching(datasets_from("cifar10")),
    retries: 2
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        # No digest of the code: whatever fetched them, the files are those of the published checksums.
        source=lambda wildcards: config["datasets"][wildcards.dataset]["source"],
    message:
        "Fetch {wildcards.dataset}"
    shell:
        r"""
        python scripts/fetch.py \
            --source {params.source:q} \
            --raw "$(dirname "$(dirname {output.files[0]:q})")" \
            >{log:q} 2>&1
        """


rule split_dataset:
    """Divide a data set into train, val and test."""
    input:
        raw=raw_files,
    output:
        train="<results>/data/{dataset}/train.safetensors",
        val="<results>/data/{dataset}/val.safetensors",
        test="<results>/data/{dataset}/test.safetensors",
    log:
        "<logs>/data/{dataset}/split.log",
    benchmark:
        "<benchmarks>/data/{dataset}/split.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=split_code,
        spec=dataset_spec,
    message:
        "Split {wildcards.dataset}"
    shell:
        r"""
        python scripts/split.py \
            --spec {params.spec:q} \
            --raw "$(dirname {output.train:q})/raw" \
            --to "$(dirname {output.train:q})" \
            >{log:q} 2>&1
        """
