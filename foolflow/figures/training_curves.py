"""Loss and accuracy over the training epochs (R3's figures)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, house_style

# Columns of adversarial training. If the two curves diverge, the network has overfitted to the attack it trains on.
ATTACKED = {"val_attacked_accuracy": "val, training attack", "val_pgd_accuracy": "val, PGD"}
STEPS = [1, 2, 2.5, 5, 10]  # between ticks, as Matplotlib's automatic locator has them


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """spec: title; trained, a list of cells."""
    return draw(spec["title"], {cell["defense"]: artefacts.history(cell) for cell in spec["trained"]})


def draw(title: str, histories: Mapping[str, pd.DataFrame]) -> Figure:
    """histories: the history.csv of each victim, by a name for it; a row of panels for each."""
    with house_style():
        figure = Figure(figsize=(10.4, 3.1 * len(histories) + 0.4), layout="constrained")
        grid = figure.subplots(len(histories), 2, squeeze=False)
        for (name, history), (loss, accuracy) in zip(histories.items(), grid, strict=True):
            _draw_one(name, history, loss, accuracy)
        figure.suptitle(title, fontsize=11)
        return figure


def _draw_one(name: str, history: pd.DataFrame, loss: Axes, accuracy: Axes) -> None:
    robust = [column for column in ATTACKED if column in history and history[column].notna().any()]
    score = history["val_accuracy"] + (history["val_pgd_accuracy"] if robust else 0)
    best = history["epoch"].iloc[int(score.argmax())]
    for axes, column, factor, label in ((loss, "loss", 1, "loss"), (accuracy, "accuracy", 100, "accuracy (%)")):
        for colour, part, words in ((COLOURS[0], "train", "train (training batches)"), (COLOURS[1], "val", "val")):
            values = factor * history[f"{part}_{column}"]
            axes.plot(history["epoch"], values, color=colour, label=words, marker="o", markersize=3)
        axes.axvline(best, color=GREY, linestyle=":", label=f"weights kept (epoch {best})")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=STEPS, integer=True))
    for colour, column in zip(COLOURS[2:], robust, strict=False):
        accuracy.plot(
            history["epoch"], 100 * history[column], color=colour, label=ATTACKED[column], marker="s", markersize=3
        )
    accuracy.set_ylim(0 if robust else None, None)
    accuracy.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    loss.set_title(f"defense: {name}", loc="left")
