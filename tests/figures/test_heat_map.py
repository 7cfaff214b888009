import json
import subprocess
import sys

import numpy as np
import pytest

from foolflow.figures.heat_map import HeatMap, draw
from foolflow.figures.style import save_figure
from foolflow.tables import leaderboard, transfer
from foolflow.tables.leaderboard import Board
from tests.tables.boards import attempt

SHOWN = HeatMap(
    rows=["A", "B"],
    columns=["clean", "fgsm", "worst case"],
    values=np.array([[1.0, 0.5, 0.25], [0.9, np.nan, 0.0]]),
    details=[["", "low", "low"], ["", "", ""]],
    down="down",
    across="across",
    meaning="accuracy (%)",
    framed=[(0, 1)],
    gaps=[1, 2],
)


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_every_cell_shows_its_number():
    axes = draw("title", SHOWN).axes[0]
    assert texts(axes) == ["100.0", "50.0", "low", "25.0", "low", "90.0", "-", "0.0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B"]
    assert axes.get_xticks().tolist() == pytest.approx([0, 1.12, 2.24])
    assert len(axes.patches) == 5 + 1  # the cells that are not empty, and the frame


def test_dark_cells_have_light_numbers():
    axes = draw("title", SHOWN).axes[0]
    assert axes.texts[0].get_color() == "white"
    assert axes.texts[-2].get_color() != "white"


def test_the_same_data_give_the_same_bytes(tmp_path):
    saved = []
    for name in ("one", "two"):
        png, pdf = tmp_path / f"{name}.png", tmp_path / f"{name}.pdf"
        save_figure(draw("title", SHOWN), png, pdf)
        saved.append((png.read_bytes(), pdf.read_bytes()))
    assert saved[0] == saved[1]


ATTEMPTS = [
    attempt(target, "fgsm", "+--+", seed=seed, source=None if target == source else f"{source}/none")
    for seed in (0, 1)
    for target in ("A", "null")
    for source in ("A", "null")
]


@pytest.mark.parametrize(("study", "module"), [("leaderboard", "board"), ("transfer", "transfer_matrix")])
def test_the_script_draws_the_table_of_each_study(study, module, root, tmp_path):
    """The table has several seeds and a model name that pandas would parse as a missing value."""
    if study == "leaderboard":
        table = leaderboard.tabulate(Board("zoo", "mnist", None), ATTEMPTS)
    else:
        table = transfer.tabulate("zoo", "mnist", "fgsm", ATTEMPTS)
    csv = tmp_path / f"tables/{study}/zoo.csv"
    csv.parent.mkdir(parents=True)
    table.data.to_csv(csv, index=False)
    name = f"{study}/zoo"
    spec = json.dumps([{"name": name, "module": module, "spec": {"title": "title", "table": name}}])
    command = [sys.executable, root / "scripts", "draw", "--spec", spec, "--input", "tables", csv]
    to = ["--png", tmp_path / "map.png", "--pdf", tmp_path / "map.pdf"]
    done = subprocess.run([*command, *to], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")
