"""Test extending the project: CONTRIBUTING lists all files to touch, and a new judgement column reruns no attack."""

import re

import pandas as pd
import yaml

from tests.end_to_end.conftest import Project

STUDY = '''"""How many images each attack changes."""

from collections.abc import Iterator
from typing import Any

from foolflow.studies.cells import Cell, Config, Exhibit, exhibit, labels
from foolflow.workflow.config.names import unknown

TITLE = "Toy"
QUESTION = "How many images does each attack change?"


def cells(config: Config) -> list[Cell]:
    study = config["studies"]["toy"]
    victim = {"dataset": study["dataset"], "model": study["model"], "defense": "none", "seed": config["seeds"][0]}
    return [victim | {"attack": attack} for attack in study["attacks"]]


def tables(config: Config, reference: Any) -> list[Exhibit]:
    shown = cells(config)
    return [exhibit("toy", "toy", {"cells": shown}, "toy.rst", labels("table: toy", shown))]


def figures(config: Config) -> list[Exhibit]:
    return [exhibit("toy", "toy", {"table": "toy"}, "toy.rst", labels("figure: toy", cells(config)))]


def problems(config: Config) -> Iterator[str]:
    yield from unknown("studies.toy.attacks", config["studies"]["toy"]["attacks"], "attacks", config["attacks"])
'''

TABLE = '''"""How many images each attack changes."""

import pandas as pd

from foolflow.tables.writing import Table


def build(spec, artefacts):
    rows = [
        {"attack": cell["attack"], "changed": int((artefacts.records(cell)["l0"] > 0).sum())} for cell in spec["cells"]
    ]
    data = pd.DataFrame(rows)
    return Table("Toy", data, data.astype(str), ["Images with a changed pixel."])
'''

FIGURE = '''"""How many images each attack changes, as bars."""

from matplotlib.figure import Figure


def build(spec, artefacts):
    table = artefacts.table(spec["table"])
    figure = Figure()
    figure.subplots().bar(table["attack"], table["changed"])
    return figure
'''

SCHEMA = """type: object
additionalProperties: false
required: [dataset, model, attacks]
properties:
  dataset: { type: string }
  model: { type: string }
  attacks: { $ref: "#/$defs/names" }
"""

RULES = '''from foolflow.studies import toy

TOY_TABLES = toy.tables(config, None)
TOY_FIGURES = toy.figures(config)


use rule table as tabulate_toy with:
    """Tabulate how many images each attack changes."""
    input:
        judgements=judgements_of("toy", toy.cells(config)),
    output:
        **table_files("toy", TOY_TABLES),
    pathvars:
        study="toy",
    localrule: True
    params:
        code=tables_code(TOY_TABLES),
        spec=exhibit_spec(TOY_TABLES),


use rule figure as draw_toy with:
    """Draw them as bars."""
    input:
        tables=rules.tabulate_toy.output.csv,
    output:
        **figure_files("toy", TOY_FIGURES),
    pathvars:
        study="toy",
    localrule: True
    params:
        code=figures_code(TOY_FIGURES),
        spec=exhibit_spec(TOY_FIGURES),


rule toy:
    """A toy study."""
    input:
        rules.tabulate_toy.output,
        rules.draw_toy.output,
'''

CONFIG = {
    "models": {"lenet": {"training": {"epochs": 1}}},
    "studies": {"toy": {"dataset": "digits", "model": "lenet", "attacks": ["fgsm_sweep"]}},
}


def listed(project: Project, what: str) -> set[str]:
    """Return the files that CONTRIBUTING lists in the row `what`, with the names of the toy study filled in."""
    text = (project.folder / "CONTRIBUTING.md").read_text()
    (row,) = re.findall(rf"^\| {what} \| (.*) \|$", text, re.MULTILINE)
    files = set(re.findall(r"`([\w/<>]+\.\w+)`", row))
    if "its tables and figures as above" in row:
        files |= listed(project, "a table of a study") | listed(project, "a figure of a study")
    return {re.sub(r"<\w+>", "toy", file) for file in files}


def test_a_study_is_added_by_the_files_that_contributing_lists(fresh):
    """Add a study with exactly the listed files, run it, and check its target and its config errors."""
    files = {
        "foolflow/studies/toy.py": STUDY,
        "foolflow/tables/toy.py": TABLE,
        "foolflow/figures/toy.py": FIGURE,
        "schemas/studies/toy.yaml": SCHEMA,
        "rules/toy.smk": RULES,
        "report/toy.rst": "A toy.\n",
    }
    assert {*files, "config.yaml"} == listed(fresh, "a study")
    for name, text in files.items():
        assert not (fresh.folder / name).exists()
        (fresh.folder / name).write_text(text)
    overlay = fresh.folder / "mine.yaml"
    overlay.write_text(yaml.safe_dump(CONFIG))
    fresh.snakemake("--cores", "2", "toy", "--configfile", "mine.yaml")
    table = pd.read_csv(fresh.results / "tables/toy.csv")
    assert table["changed"].tolist() == [500 * 6]  # every image at every epsilon
    assert (fresh.results / "figures/toy.png").stat().st_size > 1000
    assert "toy (A toy study." in fresh.snakemake("--list-target-rules", "--configfile", "mine.yaml").stdout
    without = fresh.snakemake("-n", "toy", ok=False)  # without the study in the config, its target does not exist
    assert "MissingRuleException" in without.stdout + without.stderr
    overlay.write_text(yaml.safe_dump({"studies": {"toy": CONFIG["studies"]["toy"] | {"attacks": ["nothing"]}}}))
    wrong = fresh.snakemake("-n", "toy", "--configfile", "mine.yaml", ok=False)
    assert "config: studies.toy.attacks: 'nothing' is not among the attacks" in wrong.stdout + wrong.stderr


def test_a_judgement_column_is_added_in_one_file_and_reruns_no_attack(demo):
    study, victim = "fgsm_sweep", "digits/lenet/none/0"
    records = f"judgements/{study}/{victim}/records.parquet"
    before = pd.read_parquet(demo.results / records)
    assert listed(demo, "a judgement column") == {"foolflow/attacks/judging.py"}
    with demo.edited(
        "foolflow/attacks/judging.py",
        '        "iterations": made.tensors["iterations"],\n',
        '        "unsure": found.likely()[1][:, 0] < 0.5,\n        "iterations": made.tensors["iterations"],\n',
    ):
        outdated = demo.outdated()
        assert {path.partition("/")[0] for path in outdated} >= {"judgements", "tables", "figures"}
        assert not any(path.startswith(("attacks/", "victims/", "data/", "datasets/")) for path in outdated)
        demo.snakemake("--cores", "2", f"results/demo/{records}")
        after = pd.read_parquet(demo.results / records)
        assert after["unsure"].equals(after["confidence"] < 0.5)
        pd.testing.assert_frame_equal(after.drop(columns="unsure"), before)
    demo.snakemake("--cores", "2", f"results/demo/{records}")
    assert demo.outdated() == set()


def test_verify_lists_what_other_code_produced_and_touch_hides_nothing(demo):
    def verify(code: int) -> str:
        done = demo.run("scripts/verify.py", "--results", "results/demo")
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def check_what_other_code_produced() -> None:
        output = verify(1)
        assert re.search(
            r"^  attacks/digits/lenet/none/0/fgsm_sweep/adversarial.safetensors was made by code", output, re.M
        )
        assert "deepfool" not in output
        assert "victims/" not in output

    assert "was produced by the current code" in verify(0)
    manifest = (demo.results / "manifest.json").read_bytes()
    with demo.edited("foolflow/attacks/fgsm.py", "direction = -direction", "direction = -1 * direction"):
        check_what_other_code_produced()
        demo.snakemake("--cores", "2", "--touch")
        assert demo.outdated() == set()
        check_what_other_code_produced()
        # A new manifest does not make an old result look current, either.
        (demo.results / "manifest.json").unlink()
        demo.snakemake("--cores", "2")
        assert (demo.results / "manifest.json").read_bytes() == manifest
    demo.snakemake("--cores", "2", "--touch")
    assert demo.outdated() == set()
