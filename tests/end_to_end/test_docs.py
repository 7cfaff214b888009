"""What the documents tell a reader to type, typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.conftest import Project, copy_project

BIN = Path(sys.executable).parent
BLOCK = re.compile(r"(?:`(?P<file>[\w./-]+)`\n\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def sections(root):
    """(title, blocks) of each section of docs/extending.md."""
    text = (root / "docs/extending.md").read_text()
    for section in re.split(r"\n## ", text)[1:]:
        yield section.splitlines()[0], [match.groupdict() for match in BLOCK.finditer(section)]


SECTIONS = dict(sections(Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project without the demo's profile. The examples share what several of them make."""
    return Project(copy_project(root, tmp_path_factory.mktemp("docs") / "foolflow").folder, profile=())


def write_files(title, folder):
    for block in SECTIONS[title]:
        if block["file"]:
            (folder / block["file"]).write_text(block["text"])


@pytest.mark.parametrize("title", SECTIONS)
def test_each_example_of_extending_does_what_it_says(project, title):
    write_files(title, project.folder)
    commands = [block["text"] for block in SECTIONS[title] if block["language"] == "bash"]
    lines = "".join(commands).splitlines()
    targets = [project.folder / line.split()[3] for line in lines if line.startswith("snakemake")]
    assert targets
    assert not any(target.exists() for target in targets)
    for command in commands:
        run(command, project.folder)
    for target in targets:
        assert target.stat().st_size > 0
    if title == "A defense":  # rounding, which hides its gradient, is found out
        table = pd.read_csv(project.folder / "results/tables/defenses_posterise.csv").set_index(
            ["defense", "kind", "attack"]
        )
        assert "adaptive pgd_adaptive leaves" in table.loc[("posterise", "worst case", "all"), "warnings"]
        assert pd.isna(table.loc[("none", "worst case", "all"), "warnings"])
        adaptive, blind = (
            table.loc[("posterise", *key), "accuracy"] for key in (("adaptive", "pgd_adaptive"), ("white_box", "pgd"))
        )
        assert adaptive < blind - 0.2


def run(commands, folder):
    environment = dict(os.environ, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_examples_cover_all_that_can_be_added():
    assert {"A data set", "A model", "An attack", "A defense", "A study"} <= set(SECTIONS)


def test_editing_a_users_file_outdates_what_was_made_with_it(project):
    write_files("A model", project.folder)
    target = "results/victims/digits/shallow/none/0/weights.safetensors"
    overlay = ("--configfile", "my_model.yaml")
    project.snakemake("--cores", "2", target, *overlay)
    assert project.outdated(target, *overlay) == set()
    with project.edited("my_model.py", "nn.ReLU()", "nn.Tanh()"):
        assert target in project.outdated(target, *overlay)
    with project.edited("my_model.py", "nn.ReLU(),", "nn.ReLU(),  # as always"):
        assert project.outdated(target, *overlay) == set()


def test_editing_how_a_library_is_called_outdates_its_sets_and_no_others(project):
    pytest.importorskip("foolbox")
    write_files("An attack of another library", project.folder)
    target = "results/attacks/digits/lenet/none/0/fmn/adversarial.safetensors"
    overlay = ("--configfile", "my_peer.yaml")
    project.snakemake("--cores", "2", target, *overlay)
    for file, old, new in (
        ("foolflow/attacks/peers/foolbox.py", "steps=50", "steps=60"),
        ("foolflow/attacks/peers/running.py", "BLANK = 1e-6", "BLANK = 1e-5"),
    ):
        with project.edited(file, old, new):
            outdated = project.outdated(target, *overlay)
            assert target in outdated
            assert not any(path.startswith("results/victims/") for path in outdated)
    with project.edited("foolflow/attacks/peers/advlib.py", '"ε")', '"ε", "radius")'):
        assert project.outdated(target, *overlay) == set()


def test_the_tutorial_leads_from_a_network_and_images_to_the_answer(tmp_path):
    """Every file is written and every command is run, in an empty folder, in the order of the page."""
    text = (Path(__file__).resolve().parents[2] / "docs/own-model.md").read_text()
    blocks = [match.groupdict() for match in BLOCK.finditer(text)]
    assert [block["language"] for block in blocks] == ["python", "python", "bash", "yaml", "bash", "python", "bash"]
    for block in blocks:
        if block["language"] == "bash":
            run(block["text"], tmp_path)
        else:
            (tmp_path / block["file"]).write_text(block["text"])
    table = pd.read_csv(tmp_path / "results/tables/robustness.csv").set_index("attack")
    shown = [line.split() for line in text.splitlines() if line.startswith("    ") and "L∞ 32/255" in line]
    assert {words[0] for words in shown} <= {"Robustness", *table.index, "worst"}
    printed = {" ".join(words[: words.index("L∞")]): words for words in shown if words[0] != "Robustness"}
    for attack, words in printed.items():  # the numbers of the page, within what another processor may change
        n, accuracy = words[words.index("L∞") + 2 :][:2]
        assert int(n) == table.loc[attack, "n"] == 500
        assert float(accuracy) == pytest.approx(100 * table.loc[attack, "accuracy"], abs=3)
    assert (tmp_path / "results/figures/robustness/mine/none/0.png").stat().st_size > 20_000
    assert (tmp_path / "results/index.html").stat().st_size > 200_000
    assert (tmp_path / "eight.png").stat().st_size > 20_000
