"""Copy what a full run made to docs/results/, write its pages (docs/stories.py), and fill the README's table from it.

    python docs/publish.py [--results results] [--studies fgsm_sweep minimal ...]

Of each study it also writes the manifest of the jobs that its tables and figures depend on, where their time went, and,
of those in RECORDS, records.parquet, from which the tables of attacks can be computed again without Foolflow.
The README's table (docs/verdicts.py) stands between `<!-- published -->` and `<!-- end -->`; a test fails where it
differs from what docs/results/ says.
"""

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
import yaml

from foolflow.data.cells import VICTIM
from foolflow.tables.times import read_benchmarks, times_table
from foolflow.tables.writing import write_table
from foolflow.workflow.plugins import load_object
from foolflow.workflow.provenance import manifest, read_records

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "docs/results"
README = ROOT / "README.md"

# Studies whose judgements are published, and their columns. Those of R4 are too large: 10,000 images at each epsilon.
RECORDS = {
    "defenses": (
        *("source", "attack", "index", "epsilon", "label", "clean_prediction", "prediction", "success"),
        *("clean_loss", "loss", "l2", "linf"),
    ),
    "minimal": (
        *("attack", "index", "epsilon", "label", "clean_prediction", "prediction", "success"),
        *("l1", "l2", "linf", "iterations", "gradient_evaluations"),
    ),
    "stadv": (
        *("attack", "index", "label", "target", "clean_prediction", "prediction", "success", "success_8bit"),
        *("flow_loss", "displacement", "shift", "deformation", "ssim", "l2", "gradient_evaluations"),
    ),
}
# The studies of config.yaml whose tables and figures make a page here
MADE_BY = {
    "fgsm_sweep": ("fgsm_sweep",),
    "minimal": ("minimal",),
    "stadv": ("stadv",),
    "defenses": ("defenses",),
    "defenses_mnist": ("defenses",),
    "detection": ("detection",),
    "transfer": ("transfer",),
    "leaderboard": ("leaderboard",),
}

# What is published: docs/results/<study>/<name> from results/<path>.
FILES = {
    "fgsm_sweep": {
        **{
            f"{name}.{ending}": f"{folder}/{name}.{ending}"
            for name in ("fgsm_sweep", "fgsm_sweep_ways")
            for folder, ending in (("tables", "csv"), ("tables", "md"), ("figures", "png"))
        },
        "samples_mnist.png": "figures/samples/mnist/lenet/none/0/fgsm_sweep.png",
        "samples_cifar10.png": "figures/samples/cifar10/six_conv/none/0/fgsm_sweep_fine.png",
    },
    "minimal": {
        **{
            f"minimal_{part}.{ending}": f"tables/minimal_{part}.{ending}"
            for part in ("accuracy", "attacks", "published", "l1", "linf", "protected", "fixed_norm", "speed")
            for ending in ("csv", "md")
        },
        "minimal_accuracy.png": "figures/minimal_accuracy.png",
        "minimal_security.png": "figures/minimal_security.png",
        "CNN_7.png": "figures/minimal/CNN/7.png",
    },
    "stadv": {
        **{
            f"stadv_{part}.{ending}": f"tables/stadv_{part}.{ending}"
            for part in ("accuracy", "success", "explorations", "post_mortem")
            for ending in ("csv", "md")
        },
        **{
            f"stadv_{part}.png": f"figures/stadv_{part}.png"
            for part in ("accuracy", "explorations", "flow_budget", "post_mortem")
        },
        **{
            f"{kind}_{dataset}_{model}.png": f"figures/{kind}/{dataset}/{model}/none/0/{attack}.png"
            for kind, attack in (("target_grid", "stadv_grid"), ("attack_sheet", "stadv"), ("flow", "stadv"))
            for dataset in ("mnist", "fashion_mnist")
            for model in ("A", "B", "C")
        },
    },
    "defenses": {
        **{
            f"{table}.{ending}": f"tables/{table}.{ending}"
            for table in (
                *("defenses_r3_students", "defenses_cost_r3_students", "defenses_distances_r3_students"),
                "defenses_cifar10_8",
            )
            for ending in ("csv", "md")
        },
        **{
            f"training_{defense}.png": f"figures/training/cifar10/six_conv_students/{defense}/0.png"
            for defense in ("none", "adversarial_training_students", "feature_squeezing_students")
        },
        "squeezed_median_2.png": "figures/squeezed/cifar10/six_conv/median_2/0/pgd_8_transfer.png",
    },
    "defenses_mnist": {
        "defenses_mnist_stadv.csv": "tables/defenses_mnist_stadv.csv",
        "defenses_mnist_stadv.md": "tables/defenses_mnist_stadv.md",
        "squeezed_stadv.png": "figures/squeezed/mnist/B/gaussian_blur/0/stadv_any.png",
    },
    "detection": {
        **{f"detection.{ending}": f"tables/detection.{ending}" for ending in ("csv", "md")},
        "detection.png": "figures/detection.png",
    },
    "transfer": {
        f"transfer_{name}.{ending}": f"{folder}/transfer/{name}.{ending}"
        for name in ("cifar10", "mnist_stadv", "mnist_zoo")
        for folder, ending in (("tables", "csv"), ("tables", "md"), ("figures", "png"))
    },
    "leaderboard": {
        **{
            f"{board}.{ending}": f"{folder}/leaderboard/{board}.{ending}"
            for board in ("cifar10_linf", "mnist_linf", "mnist_l2")
            for folder, ending in (("tables", "csv"), ("tables", "md"), ("figures", "png"))
        },
    },
    "weights": {
        "lenet.safetensors": "victims/mnist/lenet/none/0/weights.safetensors",
        "six_conv.safetensors": "victims/cifar10/six_conv/none/0/weights.safetensors",
        "six_conv_students.safetensors": "victims/cifar10/six_conv_students/none/0/weights.safetensors",
    },
    "bench": {f"bench.{ending}": f"bench/bench.{ending}" for ending in ("csv", "md", "png")},
}


def fill(readme: str) -> str:
    """Return the README with the table of published numbers as docs/results/ has them."""
    compared, table = (load_object(f"{ROOT}/docs/verdicts.py:{name}") for name in ("compared", "table"))
    reasons = yaml.safe_load((ROOT / "docs/verdicts.yaml").read_text(encoding="utf-8"))
    block = "<!-- published -->\n" + "\n".join(table(compared(PUBLISHED), reasons)) + "\n<!-- end -->"
    readme, count = re.subn(r"<!-- published -->.*?<!-- end -->", lambda _: block, readme, flags=re.DOTALL)
    assert count == 1, f"README.md has {count} places for the table"
    return readme


def gathered(study: str, results: Path, artefacts: Collection[str]) -> pd.DataFrame:
    """Return the judgements of a study, a row for each victim, attack, epsilon and image.

    artefacts: paths in the results folder, which may also hold judgements of victims that the config no longer has.
    Distances are rounded to float32; the other columns are as in foolflow/attacks/judging.py.
    """
    parts = []
    pattern = f"judgements/{study}/*/*/*/*/records.parquet"
    for file in sorted(results / path for path in artefacts if Path(path).match(pattern)):
        names = dict(zip(VICTIM, file.parent.parts[-len(VICTIM) :], strict=True))
        parts.append(pd.read_parquet(file)[list(RECORDS[study])].assign(**names))
    every = pd.concat(parts, ignore_index=True)[[*VICTIM, *RECORDS[study]]]
    kinds = dict.fromkeys((*VICTIM, "attack"), "category")
    return every.astype(kinds | dict.fromkeys(every.select_dtypes("float64"), "float32"))


def describe_run(studies: Sequence[str], results: Path, folder: Path) -> Collection[str]:
    """Write what these studies depend on to `folder`: manifest.json, and times.md, a table by rule.

    Returns the paths of the artefacts in the manifest.
    """
    records = read_records(results)
    last = tuple(f"{kind}/{study}/" for study in studies for kind in ("tables", "figures"))
    made = manifest(records, [job for job in records if f"{job}/".startswith(last)])
    (folder / "manifest.json").write_text(json.dumps(made, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    jobs = read_benchmarks(results / "benchmarks")
    with tempfile.TemporaryDirectory() as other:
        csv, html, page = (Path(other) / f"times.{ending}" for ending in ("csv", "html", "json"))
        write_table(times_table(jobs[jobs["job"].isin(made["jobs"])]), csv, folder / "times.md", html, page)
    return made["artefacts"]


def main(arguments: argparse.Namespace) -> None:
    for study in arguments.studies:
        (PUBLISHED / study).mkdir(parents=True, exist_ok=True)
        for name, path in FILES[study].items():
            shutil.copyfile(arguments.results / path, PUBLISHED / study / name)
        if study in MADE_BY:
            made = describe_run(MADE_BY[study], arguments.results, PUBLISHED / study)
        if study in RECORDS:
            judgements = gathered(study, arguments.results, made)
            judgements.to_parquet(PUBLISHED / study / "records.parquet", compression="zstd")
    for study in arguments.studies:  # a page may quote the tables of another study
        (PUBLISHED / study / "README.md").write_text(
            load_object(f"{ROOT}/docs/stories.py:page")(study), encoding="utf-8"
        )
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--studies", nargs="+", choices=FILES, default=list(FILES))
    main(parser.parse_args())
