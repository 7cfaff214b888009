"""Copy what a full run made to docs/results/, write its pages (docs/stories.py), and fill the README's tables from it.

    python docs/publish.py [--results results] [--studies fgsm_sweep accuracy ...]

The README's tables stand between `<!-- published: NAME -->` and `<!-- end -->`; a test fails where they differ from
what docs/results/ says.
"""

import argparse
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml

from foolflow.workflow.plugins import load_object

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "docs/results"
README = ROOT / "README.md"

MATRICES = ("cifar10", "mnist_stadv", "mnist_zoo")

# What is published: docs/results/<study>/<name> from results/<path>.
FILES = {
    "fgsm_sweep": {
        "fgsm_sweep.csv": "tables/fgsm_sweep.csv",
        "fgsm_sweep.md": "tables/fgsm_sweep.md",
        "fgsm_sweep.png": "figures/fgsm_sweep.png",
        "samples_mnist.png": "figures/samples/mnist/lenet/none/0/fgsm_sweep.png",
        "samples_cifar10.png": "figures/samples/cifar10/six_conv/none/0/fgsm_sweep_fine.png",
        "manifest.json": "manifest.json",
    },
    "accuracy": {
        **{
            f"{study}_accuracy.{ending}": f"{folder}/{study}_accuracy.{ending}"
            for study in ("stadv", "minimal")
            for folder, ending in (("tables", "csv"), ("tables", "md"), ("figures", "png"))
        },
        "training_cifar10.png": "figures/training/cifar10/six_conv/none/0.png",
        "manifest.json": "manifest.json",
    },
    "minimal": {
        **{
            f"minimal_{part}.{ending}": f"tables/minimal_{part}.{ending}"
            for part in ("attacks", "speed")
            for ending in ("csv", "md")
        },
        "minimal_security.png": "figures/minimal_security.png",
        "CNN_7.png": "figures/minimal/CNN/7.png",
        "manifest.json": "manifest.json",
    },
    "stadv": {
        **{
            f"stadv_{part}.{ending}": f"tables/stadv_{part}.{ending}"
            for part in ("success", "explorations", "post_mortem")
            for ending in ("csv", "md")
        },
        **{f"stadv_{part}.png": f"figures/stadv_{part}.png" for part in ("explorations", "post_mortem")},
        **{
            f"{kind}_{dataset}_{model}.png": f"figures/{kind}/{dataset}/{model}/none/0/{attack}.png"
            for kind, attack in (("target_grid", "stadv_grid"), ("attack_sheet", "stadv"), ("flow", "stadv"))
            for dataset in ("mnist", "fashion_mnist")
            for model in ("A", "B", "C")
        },
        "manifest.json": "manifest.json",
    },
    "defenses": {
        **{
            f"{table}.{ending}": f"tables/{path}.{ending}"
            for table, path in {
                **{name: name for name in ("defenses_r3", "defenses_cifar10_8", "defenses_mnist_stadv", "detection")},
                **{f"transfer_{name}": f"transfer/{name}" for name in MATRICES},
            }.items()
            for ending in ("csv", "md")
        },
        **{f"transfer_{name}.png": f"figures/transfer/{name}.png" for name in MATRICES},
        "detection.png": "figures/detection.png",
        **{
            f"training_{defense}.png": f"figures/training/cifar10/six_conv/{defense}/0.png"
            for defense in ("adversarial_training", "adversarial_training_8", "feature_squeezing")
        },
        "squeezed_fgsm.png": "figures/squeezed/cifar10/six_conv/feature_squeezing/0/fgsm.png",
        "squeezed_stadv.png": "figures/squeezed/mnist/B/gaussian_blur/0/stadv_any.png",
        "manifest.json": "manifest.json",
    },
    "leaderboard": {
        **{
            f"{board}.{ending}": f"{folder}/leaderboard/{board}.{ending}"
            for board in ("cifar10_linf", "mnist_linf", "mnist_l2")
            for folder, ending in (("tables", "csv"), ("tables", "md"), ("figures", "png"))
        },
        "manifest.json": "manifest.json",
    },
    "bench": {f"bench.{ending}": f"bench/bench.{ending}" for ending in ("csv", "md", "png")},
}


def sweep_table() -> Iterator[str]:
    """R4's own case: LeNet on MNIST."""
    table = pd.read_csv(PUBLISHED / "fgsm_sweep/fgsm_sweep.csv")
    rows = table[(table["model"] == "lenet") & table["published_tutorial"].notna()]
    yield "| epsilon | Foolflow % | 95 % interval | R4 % |"
    yield "| --- | --- | --- | --- |"
    for row in rows.itertuples():
        ours, interval = f"{100 * row.accuracy:.2f}", f"{100 * row.low:.2f} to {100 * row.high:.2f}"
        yield f"| {row.epsilon:g} | {ours} | {interval} | {100 * row.published_tutorial:.2f} |"


def accuracy_table() -> Iterator[str]:
    """Every network of R1 and R2, and R3's, on the test split."""
    yield "| data set | network | Foolflow % | 95 % interval | published % |"
    yield "| --- | --- | --- | --- | --- |"
    for study in ("minimal", "stadv"):
        table = pd.read_csv(PUBLISHED / f"accuracy/{study}_accuracy.csv")
        names = {"published_test": "R2", "published_paper": "paper", "published_students": "students"}
        for _, row in table.iterrows():
            known = [f"{100 * row[key]:.2f} ({name})" for key, name in names.items() if pd.notna(row.get(key))]
            yield _accuracy_row(row["dataset"], row["model"], row["test"], row["low"], row["high"], ", ".join(known))
    sweep = pd.read_csv(PUBLISHED / "fgsm_sweep/fgsm_sweep.csv")
    reference = yaml.safe_load((ROOT / "reference/r3_defenses.yaml").read_text(encoding="utf-8"))
    r3 = reference["accuracy"]["cifar10"]["none"]["clean"]
    for _, row in sweep[sweep["epsilon"] == 0].iterrows():
        r4 = row["published_tutorial"]
        known = f"{r3:.2f} (R3)" if pd.isna(r4) else f"{100 * r4:.2f} (R4)"
        yield _accuracy_row(row["dataset"], row["model"], row["accuracy"], row["low"], row["high"], known)


def stadv_table() -> Iterator[str]:
    """R1: targeted success of stAdv."""
    yield "| data set | network | Foolflow % | 95 % interval | n | median flow loss | paper % | students % |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in pd.read_csv(PUBLISHED / "stadv/stadv_success.csv").itertuples():
        ours = f"{100 * row.success:.2f} | {100 * row.low:.2f} to {100 * row.high:.2f} | {row.n:,}"
        paper, students = (
            "" if pd.isna(known) else f"{100 * known:.2f}"
            for known in (row.published_success_paper, row.published_success_students)
        )
        yield f"| {row.dataset} | {row.model} | {ours} | {row.median_flow_loss:.0f} | {paper} | {students} |"


def _accuracy_row(dataset: str, model: str, accuracy: float, low: float, high: float, published: str) -> str:
    return f"| {dataset} | {model} | {100 * accuracy:.2f} | {100 * low:.2f} to {100 * high:.2f} | {published} |"


def minimal_table() -> Iterator[str]:
    """R2: the median distance of each attack on each network."""
    table = pd.read_csv(PUBLISHED / "minimal/minimal_attacks.csv")
    attacks = list(table["attack"].unique())
    yield f"| network | {' | '.join(attacks)} |"
    yield "| --- " * (len(attacks) + 1) + "|"
    for model, rows in table.groupby("model", sort=False):
        medians = rows.set_index("attack")["median_l2"]
        yield f"| {model} | {' | '.join(f'{medians[attack]:.3f}' for attack in attacks)} |"


def defenses_table() -> Iterator[str]:
    """R3: each defense as R3 measured it, and as an attack on the defended victim itself leaves it."""
    yield "| defense | attack | static % | white box % | 95 % interval of white box | R3 % |"
    yield "| --- | --- | --- | --- | --- | --- |"
    data = pd.read_csv(PUBLISHED / "defenses/defenses_r3.csv")
    cells = data.set_index(["defense", "kind", "attack"])
    for defense in data["defense"].unique():
        for attack in ("deepfool", "fgsm", "pgd"):
            white = cells.loc[(defense, "white_box", attack)]
            static = cells.loc[(defense, "static", attack)] if attack != "pgd" else None
            ours = "" if static is None else f"{100 * static['accuracy']:.2f}"
            r3 = "" if static is None or pd.isna(static["published"]) else f"{100 * static['published']:.1f}"
            interval = f"{100 * white['low']:.2f} to {100 * white['high']:.2f}"
            yield f"| {defense} | {attack} | {ours} | {100 * white['accuracy']:.2f} | {interval} | {r3} |"


TABLES = {
    "fgsm_sweep": sweep_table,
    "accuracy": accuracy_table,
    "stadv": stadv_table,
    "minimal": minimal_table,
    "defenses": defenses_table,
}


def fill(readme: str) -> str:
    """The README with its tables as docs/results/ has them."""
    for name, table in TABLES.items():
        block = f"<!-- published: {name} -->\n" + "\n".join(table()) + "\n<!-- end -->"
        readme, count = re.subn(rf"<!-- published: {name} -->.*?<!-- end -->", block, readme, flags=re.DOTALL)
        assert count == 1, f"README.md has {count} places for the table {name}"
    return readme


def main(arguments: argparse.Namespace) -> None:
    for study in arguments.studies:
        (PUBLISHED / study).mkdir(parents=True, exist_ok=True)
        for name, path in FILES[study].items():
            shutil.copyfile(arguments.results / path, PUBLISHED / study / name)
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
