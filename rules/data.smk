rule fetch_idx:
    """Download MNIST or FashionMNIST, or copy it from the data mirror, and verify the checksums."""
    output:
        files=expand("<results>/data/{{dataset}}/raw/{file}", file=DOWNLOADS["mnist"].files),
        provenance="<results>/provenance/data/{dataset}/raw.json",
    log:
        "<logs>/data/{dataset}/fetch.log",
    benchmark:
        "<benchmarks>/data/{dataset}/raw.tsv"
    wildcard_constraints:
        dataset=names_matching(datasets_from("mnist", "fashion_mnist")),
    retries: 2
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
        mirror=DATA_MIRROR,
    params:
        program=program,
        # No code digest: the published checksums determine the files, whatever code fetched them.
        source=lambda wildcards: config["datasets"][wildcards.dataset]["source"],
    message:
        "Fetch {wildcards.dataset}"
    shell:
        r"""
        {params.program} fetch \
            --source {params.source:q} \
            --mirror {resources.mirror:q} \
            --files {output.files:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule fetch_idx as fetch_cifar10 with:
    """Download CIFAR-10, or copy it from the data mirror, and verify every file."""
    output:
        files=expand("<results>/data/{{dataset}}/raw/{file}", file=DOWNLOADS["cifar10"].files),
        provenance="<results>/provenance/data/{dataset}/raw.json",
    wildcard_constraints:
        dataset=names_matching(datasets_from("cifar10")),


rule split_dataset:
    """Split a data set into train, val and test."""
    input:
        raw=raw_files,
    output:
        splits=expand("<results>/data/{{dataset}}/{split}.safetensors", split=SPLITS),
        provenance="<results>/provenance/data/{dataset}/splits.json",
    log:
        "<logs>/data/{dataset}/split.log",
    benchmark:
        "<benchmarks>/data/{dataset}/splits.tsv"
    wildcard_constraints:
        dataset=names_matching(datasets_split_into(*SPLITS)),
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        program=program,
        code=split_code,
        spec=dataset_spec,
        files=read_files,
        # Not passed on: a trigger, since the names of empty class folders are in no input.
        classes=class_folders,
    message:
        "Split {wildcards.dataset}"
    shell:
        r"""
        {params.program} split \
            --spec {params.spec:q} \
            --raw "$(dirname {output.splits[0]:q})/raw" \
            --files {params.files:q} \
            --splits {output.splits:q} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule split_dataset as read_test_images with:
    """Read a data set that is only for evaluation: its test split."""
    output:
        splits=["<results>/data/{dataset}/test.safetensors"],
        provenance="<results>/provenance/data/{dataset}/splits.json",
    wildcard_constraints:
        dataset=names_matching(datasets_split_into("test")),
    message:
        "Read the test images of {wildcards.dataset}"
