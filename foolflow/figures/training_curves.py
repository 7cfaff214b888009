"""Loss and accuracy over the epochs of a training (R3's figures)."""

import pandas as pd
from matplotlib.figure import Figure

from foolflow.figures.style import COLOURS, GREY, house_style


def draw(title: str, history: pd.DataFrame) -> Figure:
    """history: a victim's history.csv."""
    best = history["epoch"].iloc[int(history["val_accuracy"].argmax())]
    with house_style():
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        for axes, column, factor, name in ((loss, "loss", 1, "loss"), (accuracy, "accuracy", 100, "accuracy (%)")):
            for colour, part, label in ((COLOURS[0], "train", "train, as trained on"), (COLOURS[1], "val", "val")):
                values = factor * history[f"{part}_{column}"]
                axes.plot(history["epoch"], values, color=colour, label=label, marker="o", markersize=3)
            axes.axvline(best, color=GREY, linestyle=":", label=f"weights kept (epoch {best})")
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.get_major_locator().set_params(integer=True)
        accuracy.legend(loc="lower right")
        figure.suptitle(title, fontsize=11)
        return figure
