"""Foolflow: attack, defend and measure image classifiers. `snakemake --list` shows the targets."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")
sys.path.insert(0, workflow.basedir)

from foolflow.workflow.config import syntax_problem

if problem := syntax_problem(Path("config.yaml")):
    sys.exit(f"config: {problem}")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/studies.smk"
include: "rules/study_defenses.smk"


pathvars:
    results=config["results"],
    logs=f"{config['results']}/logs",
    benchmarks=f"{config['results']}/benchmarks",


wildcard_constraints:
    dataset=names_matching(config["datasets"]),
    model=names_matching(config["models"]),
    defense=names_matching(["none", *config["defenses"]]),
    attack=names_matching(config["attacks"]),
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


report: "report/workflow.rst"


include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/attack.smk"
include: "rules/evaluate.smk"
include: "rules/detect.smk"
include: "rules/render.smk"
include: "rules/render_defenses.smk"
include: "rules/render_minimal.smk"
include: "rules/render_stadv.smk"
include: "rules/render_leaderboard.smk"
include: "rules/render_detection.smk"
include: "rules/manifest.smk"


rule all:
    """Every study of the config, and the manifest of all that they made (the default)."""
    default_target: True
    input:
        [study_outputs(study) for study in config["studies"]],
        "<results>/manifest.json",
        "<results>/tables/times.html",


rule fgsm_sweep:
    """R4: FGSM at a sweep of epsilons; table, curve, samples and the modified data set."""
    input:
        study_outputs("fgsm_sweep"),


rule stadv:
    """R1: stAdv on MNIST and FashionMNIST; accuracy and success, grids, flows, explorations and the post-mortem."""
    input:
        study_outputs("stadv"),


rule minimal:
    """R2: the zoo of MNIST networks and the smallest perturbations that fool them; tables, security curves, images."""
    input:
        study_outputs("minimal"),


rule defenses:
    """R3 and beyond: defenses under static, white-box, adaptive and black-box attacks; tables, training curves, examples."""
    input:
        study_outputs("defenses"),


rule transfer:
    """How well the adversarial images of each victim fool every other one; tables and heat maps."""
    input:
        study_outputs("transfer"),


rule leaderboard:
    """Every victim by every attack and by the worst of them on each image; tables, heat maps and a page."""
    input:
        study_outputs("leaderboard"),


rule detection:
    """Adversarial images detected by feature squeezing, also those of an attack that knows of it; table, ROC curves."""
    input:
        study_outputs("detection"),
