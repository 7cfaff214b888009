from foolflow.studies import detection

DETECTION_TABLES = detection.tables(config, reference("xu2017_detection"))
DETECTION_FIGURES = detection.figures(config)


rule score_detector:
    """Score the clean val and test images and a victim's adversarial sets with a detector."""
    input:
        val="<results>/data/{dataset}/val.safetensors",
        test="<results>/data/{dataset}/test.safetensors",
        weights=weights_of,
        named=lambda wildcards: scored_files(wildcards),
        sets=lambda wildcards: sets_made(scored_cells(wildcards)),
    output:
        scores="<results>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}.parquet",
        provenance="<results>/provenance/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}.json",
    log:
        "<logs>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}.log",
    benchmark:
        "<benchmarks>/evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}.tsv"
    wildcard_constraints:
        detector=names_matching(config["detectors"]),
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
        code=score_code,
        spec=score_spec,
    message:
        "Run {wildcards.detector} on {wildcards.dataset}/{wildcards.model} "
        "(defense {wildcards.defense}, seed {wildcards.seed})"
    shell:
        r"""
        {params.program} score_detector \
            --spec {params.spec:q} \
            --val {input.val:q} \
            --test {input.test:q} \
            --weights {input.weights:q} \
            --named {input.named:q} \
            --sets {input.sets:q} \
            --scores {output.scores:q} \
            --device {resources.device} \
            --gpus {resources.gpu} \
            --threads {threads} \
            --code {params.code:q} \
            --provenance {output.provenance:q} \
            --log {log:q}
        """


use rule table as tabulate_detection with:
    """Tabulate the detection rates on clean and adversarial images, next to the published rates."""
    input:
        scores=paths(rules.score_detector.output.scores, detection.detections(config)),
    output:
        **table_files("detection", DETECTION_TABLES),
    pathvars:
        study="detection",
    localrule: True
    params:
        code=tables_code(DETECTION_TABLES),
        spec=exhibit_spec(DETECTION_TABLES),


use rule figure as draw_detection with:
    """Draw the ROC curves of each detector, one per attack."""
    input:
        scores=paths(rules.score_detector.output.scores, detection.detections(config)),
    output:
        **figure_files("detection", DETECTION_FIGURES),
    pathvars:
        study="detection",
    localrule: True
    params:
        code=figures_code(DETECTION_FIGURES),
        spec=exhibit_spec(DETECTION_FIGURES),


rule detection:
    """Feature squeezing as a detector, also against attacks that know the detector; table, ROC curves."""
    input:
        rules.tabulate_detection.output,
        rules.draw_detection.output,
        # The page shows the images, and what the network takes them for.
        [
            paths(file, [{"study": "detection", **cell} for cell in detection.cells(config)])
            for file in rules.judge_victim.output
        ],
