"""Render the measurements as a table and a figure."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.contenders import LOOP, OURS, Task
from bench.measuring import LONG, Measured
from foolflow.figures.style import COLOURS, GREY, house_style
from foolflow.jobs.files import whole_file, write_text
from foolflow.tables.writing import percent

THEIRS = "#b8b8b8"

NOTES = (
    "images/s: the median of the repeats, in which the contenders take turns; one that takes longer than "
    f"{LONG:.0f} s runs once. The time includes classifying the adversarial images: one forward pass is added for "
    "libraries that do not do so. our speed-up: their time over ours on the same images, which is not the quotient of "
    "two rows where theirs are fewer, since a larger batch is faster. success: the share of the correctly classified "
    "images that are fooled. distance: the median over the fooled images; for stAdv, the flow loss. our distance: the "
    "mean of ours over the mean of theirs, on the images that both fool.",
    "gradients, forwards: backward and forward passes through the victim per image, counted by the same wrapper for "
    "every contender. floor: the time that these passes alone take at the best batch size, as a share of the measured "
    "time. peak MB: the peak memory in addition to what was in use before.",
    "image by image: the loops of the original projects.",
)


def table(tasks: Sequence[tuple[str, Task, Sequence[Measured]]]) -> pd.DataFrame:
    """Return one row per contender, with every number at full precision. tasks: each with the name of its victim."""
    return pd.DataFrame(
        [{"victim": victim, **_row(task, one, measured[0])} for victim, task, measured in tasks for one in measured]
    )


def _row(task: Task, one: Measured, ours: Measured) -> dict[str, object]:
    """Compute the ratios of times within each repeat, and those of distances, on the same images."""
    ours_then = ours.distances[: one.count]
    theirs_then = one.distances[: len(ours_then)]
    both = ours_then.isfinite() & theirs_then.isfinite()
    faster = [theirs / mine for theirs, mine in zip(one.seconds, one.ours, strict=True)]
    return {
        "attack": task.name,
        "library": one.contender.library,
        "how": one.contender.how,
        "images": one.count,
        "images_per_second": one.count / statistics.median(one.seconds),
        "success": one.success,
        "distance": task.distance,
        "median_distance": one.distances.nanmedian().item(),
        "gradient_evaluations": one.gradients,
        "forward_passes": one.forwards,
        "peak_memory_mb": one.memory / 2**20,
        "floor_share": _median_ratio(one.floors, one.seconds),
        "gradient_floor_share": _median_ratio(one.gradient_floors, one.seconds),
        "ours_times_as_fast": statistics.median(faster),
        "our_distance_over_theirs": (ours_then[both].mean() / theirs_then[both].mean()).item(),
    }


def _median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(top / bottom for top, bottom in zip(above, below, strict=True))


def markdown(data: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    """Return a page with one table for each victim."""
    tables = [f"## {victim}\n\n{_rows(rows)}" for victim, rows in data.groupby("victim", sort=False)]
    return "\n\n".join([f"# {title}", *tables, *notes, *NOTES]) + "\n"


def _rows(data: pd.DataFrame) -> str:
    others = data["library"].ne(OURS) | data["how"].ne("")
    display = pd.DataFrame(
        {
            "attack": data["attack"].where(~data["attack"].duplicated(), ""),
            "library": _names(data),
            "images": data["images"],
            "images/s": data["images_per_second"].map(_three_digits),
            "our speed-up": data["ours_times_as_fast"].map(_three_digits).where(others, ""),
            "success %": data["success"].map(lambda share: percent(share, 1)),
            "distance": data["median_distance"].map("{:.3f}".format),
            "our distance": data["our_distance_over_theirs"].map("{:.3f}".format).where(others, ""),
            "gradients": data["gradient_evaluations"].map("{:.1f}".format),
            "forwards": data["forward_passes"].map("{:.1f}".format),
            "floor": data["floor_share"].map("{:.2f}".format),
            "peak MB": data["peak_memory_mb"].map("{:.0f}".format),
        }
    ).astype(str)
    display = display.mask(display.isin(["nan"]), "")
    return display.to_markdown(index=False, disable_numparse=True)


def _names(data: pd.DataFrame) -> pd.Series:
    return data["library"] + data["how"].map(lambda how: f", {how}" if how else "")


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(data: pd.DataFrame, title: str) -> Figure:
    """Draw images per second on a logarithmic axis, one panel per victim and attack."""
    rows = [part for _, part in data.groupby(["victim", "attack"], sort=False)]
    counts = [len(part) for part in rows]
    with house_style():
        figure = Figure(figsize=(7.6, 0.2 * sum(counts) + 0.34 * len(counts) + 0.8), layout="constrained")
        panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=counts)[:, 0]
        for axes, part in zip(panels, rows, strict=True):
            _draw_panel(axes, part)
            name = f"{part['attack'].iloc[0]}: {part['victim'].iloc[0]}"
            axes.set_title(name, loc="left", fontsize=10, fontweight="bold", pad=3)
        speeds = data["images_per_second"]
        panels[-1].set_xlim(speeds.min() / 2, speeds.max() * 60)  # room for the numbers
        panels[-1].set_xlabel("images per second  (success at the median distance)")
        panels[-1].xaxis.set_major_formatter(lambda speed, _: _three_digits(speed))
        figure.suptitle(title, fontsize=11)
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    names = _names(rows)
    colours = [{OURS: COLOURS[0], LOOP: GREY}.get(library, THEIRS) for library in rows["library"]]
    places = range(len(rows))
    axes.set_xscale("log")
    axes.scatter(rows["images_per_second"], places, color=colours, s=42, clip_on=False)  # no bars: the axis has no zero
    numbers = zip(rows["images_per_second"], rows["success"], rows["median_distance"], strict=True)
    for place, (speed, success, distance) in enumerate(numbers):
        shown = "" if pd.isna(distance) else f" at {distance:.3g}"
        axes.annotate(
            f"{_three_digits(speed)}  ({percent(success, 0)} %{shown})",
            (speed, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_yticks(list(places), list(names), fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", linewidth=0.5)
    axes.tick_params(which="both", length=0)


def write_table(data: pd.DataFrame, title: str, notes: Sequence[str], folder: Path) -> None:
    with whole_file(folder / "bench.csv") as partial:
        data.to_csv(partial, index=False)
    write_text(folder / "bench.md", markdown(data, title, notes))
