"""Foolflow: attack, defend and measure image classifiers. `snakemake --list-target-rules` lists the targets."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")

# Find the project's files from any working directory, and when another workflow includes this file.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if not (PROJECT / "foolflow").is_dir():  # in a wheel, this file is inside the package
    PROJECT_PACKAGES = PROJECT.parents[1]
else:
    PROJECT_PACKAGES = PROJECT
if str(PROJECT_PACKAGES) not in sys.path:
    sys.path.insert(0, str(PROJECT_PACKAGES))

from foolflow.workflow.overlays import load_configs

# Later files override earlier ones: config.yaml, the overlays of a profile, the files of --configfile.
load_configs(workflow, [PROJECT / "config.yaml", *globals().get("OVERLAYS", [])])


include: "rules/common.smk"


pathvars:
    study="template",  # each study sets its own name
    results=config["results"],
    logs=f"{config['results']}/logs",
    benchmarks=f"{config['results']}/benchmarks",


wildcard_constraints:
    study=names_matching(config["studies"]),
    dataset=names_matching(config["datasets"]),
    model=names_matching(config["models"]),
    defense=names_matching(["none", *config["defenses"]]),
    attack=names_matching(config["attacks"]),
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    first=r"\d+",
    last=r"\d+",


report: "report/workflow.rst"


# The first rule is the default target; inside another workflow, the first rule of that workflow is.
rule all:
    """All studies in the config, the manifest, the table of times and the page (the default)."""
    input:
        everything,


include: "rules/table.smk"
include: "rules/figure.smk"
include: "rules/data.smk"
include: "rules/victims.smk"
include: "rules/attacks.smk"
include: "rules/evaluations.smk"


for study in config["studies"]:

    include: f"rules/{study}.smk"


include: "rules/costs.smk"
include: "rules/manifest.smk"
include: "rules/page.smk"
