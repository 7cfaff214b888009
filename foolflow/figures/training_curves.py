"""Loss and accuracy over the training epochs (R3's figures)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, heading, house_style
from foolflow.training.history import Epoch, best_epoch

# Columns of adversarial training. If the two curves diverge, the network has overfitted to the attack it trains on.
ATTACKED = {"val_attacked_accuracy": "val, training attack", "val_pgd_accuracy": "val, PGD"}
MARKED = 50  # of more epochs, the markers would hide the line
STEPS = [1, 2, 2.5, 5, 10]  # between ticks, as Matplotlib's automatic locator has them


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the training of one victim. spec: title; cell."""
    return draw(spec["title"], artefacts.history(spec["cell"]))


def draw(title: str, history: pd.DataFrame) -> Figure:
    """Draw the curves of one training. history: a victim's history.csv."""
    robust = [column for column in ATTACKED if column in history and history[column].notna().any()]
    rows = history.replace({np.nan: None}).to_dict("records")
    best = best_epoch([Epoch(**row) for row in rows])  # type: ignore[arg-type]
    marker = len(history) <= MARKED
    with house_style():
        figure = Figure(figsize=(10.4 if robust else 8.4, 3.4), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        for axes, column, factor, name in ((loss, "loss", 1, "loss"), (accuracy, "accuracy", 100, "accuracy (%)")):
            for colour, part, label in ((COLOURS[0], "train", "train (training batches)"), (COLOURS[1], "val", "val")):
                values = factor * history[f"{part}_{column}"]
                axes.plot(
                    history["epoch"], values, color=colour, label=label, marker="o" if marker else "", markersize=3
                )
            axes.axvline(best, color=GREY, linestyle=":", label=f"weights kept (epoch {best})")
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.set_major_locator(MaxNLocator("auto", steps=STEPS, integer=True))
        for colour, column in zip(COLOURS[2:], robust, strict=False):
            values = 100 * history[column]
            accuracy.plot(
                history["epoch"],
                values,
                color=colour,
                label=ATTACKED[column],
                marker="s" if marker else "",
                markersize=3,
            )
        accuracy.set_ylim(0 if robust else None, None)
        if robust:
            accuracy.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        else:
            accuracy.legend(loc="best")
        heading(figure, title)
        return figure
