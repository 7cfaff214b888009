"""The effect of a flow field on an image: the image, the flow as arrows, the warped image, and the difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.images import bare, show_image
from foolflow.figures.style import COLOURS, WIDTH, heading, house_style, nothing_to_show
from foolflow.figures.text import class_name
from foolflow.statistics.attempts import right_before

SHORTEST = 0.05  # pixels; shorter arrows would only be dots
COUNT = 4
ARROWS = 32  # per row and column; of larger images only every second, third, ... arrow is drawn
LONGEST = 22  # columns of a class name
HEADINGS = ("clean", "flow", "adversarial", "difference")


@dataclass(frozen=True)
class Warped:
    """One example of a flow attack.

    clean, adversarial: float (C, H, W) in [0, 1].  flow: (2, H, W) in pixels, down the rows and along the columns.
    truth, prediction: class names.  flow_loss: the loss of the flow.
    """

    clean: np.ndarray
    flow: np.ndarray
    adversarial: np.ndarray
    truth: str
    prediction: str
    flow_loss: float


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the first image of each class that was fooled. spec: title; cell."""
    cell, split = spec["cell"], artefacts.split(spec["cell"])
    names = artefacts.class_names(cell)
    records = artefacts.records(cell)
    fooled = records[right_before(records) & records["success"]]
    if fooled.empty:
        return nothing_to_show(spec["title"], "the attack fooled no image")
    shown = fooled.drop_duplicates("label").head(COUNT)
    flows, images = (artefacts.tensor(cell, name, shown.index.to_numpy()) for name in ("flow", "images"))
    examples = [
        Warped(
            clean=split.images[record["index"]].astype("float32") / 255,
            flow=flow,
            adversarial=image,
            truth=names[record["label"]],
            prediction=names[record["prediction"]],
            flow_loss=record["flow_loss"],
        )
        for (_, record), flow, image in zip(shown.iterrows(), flows, images, strict=True)
    ]
    return draw(spec["title"], examples)


def draw(title: str, examples: Sequence[Warped]) -> Figure:
    with house_style():
        figure = Figure(figsize=(WIDTH, 2.15 * len(examples) + 0.8), layout="constrained")
        grid = figure.subplots(len(examples), len(HEADINGS), squeeze=False)
        for row, (example, line) in enumerate(zip(examples, grid, strict=True)):
            difference = (example.adversarial - example.clean).mean(0)
            show_image(line[0], example.clean)
            _show_flow(line[1], example)
            show_image(line[2], example.adversarial)
            shown = line[3].imshow(difference, cmap="RdBu_r", vmin=-1, vmax=1)
            bare(line[3])
            longest = np.hypot(*example.flow).max()
            captions = (
                class_name(example.truth, LONGEST),
                f"loss {example.flow_loss:.1f}, longest {longest:.1f} px",
                f"predicted {class_name(example.prediction, LONGEST - 6)}",
                f"L2 {np.linalg.norm(example.adversarial - example.clean):.2f}",
            )
            for axes, above, caption in zip(line, HEADINGS, captions, strict=True):
                axes.set_title(f"{above}\n{caption}" if row == 0 else caption, fontsize=8.5, pad=4)
        figure.colorbar(shown, ax=grid[:, 3], label="change of the pixel value", shrink=0.6)
        heading(figure, title)
        return figure


def _show_flow(axes: Axes, example: Warped) -> None:
    """Draw each arrow to scale, from the place where the pixel's value is sampled to the pixel.

    In a large image fewer arrows are drawn, as much longer as they are farther apart.
    """
    show_image(axes, 0.35 * example.clean)
    down, along = example.flow
    step = -(-max(down.shape) // ARROWS)
    drawn = np.zeros(down.shape, bool)
    drawn[step // 2 :: step, step // 2 :: step] = True
    rows, columns = np.nonzero(drawn & (np.hypot(down, along) > SHORTEST))
    if step > 1:
        axes.set_xlabel(f"1 arrow per {step} x {step} pixels, {step} times as long", fontsize=8)
    axes.quiver(
        columns + step * along[rows, columns],
        rows + step * down[rows, columns],
        -step * along[rows, columns],
        -step * down[rows, columns],
        angles="xy",
        scale_units="xy",
        scale=1,
        color=COLOURS[4],
        width=0.006,
        headwidth=3.5,
    )
    height, width = down.shape
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
