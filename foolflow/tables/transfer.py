"""Success of each victim's adversarial images on every other victim: a matrix of source by target."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import model_and_defense
from foolflow.statistics.attempts import CONTROL, Attempt, load_attempts, right_before, short_names
from foolflow.statistics.intervals import wilson_interval
from foolflow.tables.links import Link, Row, links, to_images, to_victim
from foolflow.tables.over_seeds import MEAN, rate_text, spread_text
from foolflow.tables.wording import listed, span, tied_rate
from foolflow.tables.writing import Table, percent

IMAGES = "n, correct when clean"  # the row with the number of images


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: matrix with name, dataset, attack and control; attempts, a list of cells."""
    return tabulate(**spec["matrix"], attempts=load_attempts(spec["attempts"], artefacts))


def tabulate(name: str, dataset: str, attack: str, attempts: Sequence[Attempt], *, control: str | None = None) -> Table:
    """Build the table.

    attempts: each target on each source's images, with source and target of the same seed, and the control on it.
    control: the name of the attack that is random noise, or None.
    """
    data = pd.DataFrame([_row(name, dataset, attempt, control) for attempt in attempts])
    several_seeds = data["seed"].nunique() > 1
    if several_seeds:
        data = pd.concat([data, _means(data)], ignore_index=True)
    notes = [
        "Rows: the victim that the images were made on (source); columns: the victim that classifies them (target). "
        "Success: of the n attacked images that the target classifies correctly when clean, the percentage whose "
        "adversarial image it misclassifies, whether or not that image fooled its source. The diagonal is the attack "
        "on the victim itself. Intervals are Wilson's, 95 %. Highest and lowest are as measured: no test compares the "
        "pairs.",
    ]
    if control is not None:
        notes.append(
            f"Random noise ({control}): a control on the same images, of the epsilon of {attack}, made without a "
            "gradient. A success that noise reaches, too, says nothing about the attack or its source."
        )
    if several_seeds:
        notes.append(
            "Source and target have the same seed. Last rows: mean ± sample standard deviation over the seeds."
        )
    display = _display(data, several_seeds)
    return Table(
        title=f"Transfer {name}: {attack} on {dataset}, success in % by source and target",
        data=data,
        display=display,
        findings=list(_findings(data, several_seeds)),
        totals=[row for row, source in enumerate(display["source"]) if source == IMAGES],
        images=links(display, _links(data)),
        notes=notes,
    )


def _row(name: str, dataset: str, attempt: Attempt, control: str | None) -> dict[str, Any]:
    right = attempt.records[right_before(attempt.records)]
    fooled = int((right["prediction"] != right["label"]).sum())
    low, high = wilson_interval(fooled, len(right))
    return {
        "matrix": name,
        "dataset": dataset,
        "attack": attempt.attack,
        "seed": str(attempt.seed),
        "source": CONTROL if attempt.attack == control else attempt.source or attempt.victim,
        "target": attempt.victim,
        "n": len(right),
        "fooled": fooled,
        "success": fooled / len(right) if len(right) else None,
        "low": low,
        "high": high,
        "sd": None,
    }


def _means(data: pd.DataFrame) -> pd.DataFrame:
    keys = ["matrix", "dataset", "attack", "source", "target"]
    table = data.groupby(keys, sort=False, as_index=False).agg(sd=("success", "std"), success=("success", "mean"))
    return table.assign(seed=MEAN)


def _links(data: pd.DataFrame) -> list[dict[str, Link]]:
    """Return the links of each row before the means, in the order of the display.

    The number of images leads to the target.
    """
    names = short_names(list(dict.fromkeys(data["target"])))
    rows: list[dict[str, Link]] = []
    for _, table in data[data["seed"] != MEAN].groupby("seed", sort=False):
        for _, cells in table.groupby("source", sort=False):
            targets = [_target(cell) for cell in cells.to_dict("records")]
            rows.append({names[one["target"]]: to_images(one, source=_made_on(one)) for one in targets})
        rows.append({names[cell["target"]]: to_victim(_target(cell)) for cell in table.to_dict("records")})
    return rows


def _made_on(cell: Row) -> str | None:
    return None if cell["source"] == CONTROL else str(cell["source"])


def _target(cell: Row) -> dict[str, Any]:
    """Return a row of the data as a cell, judged by the target."""
    model, defense = model_and_defense(cell["target"])
    return {**cell, "model": model, "defense": defense}


def _findings(data: pd.DataFrame, several_seeds: bool) -> Iterator[str]:
    """Name the pairs of different victims with the highest and the lowest success.

    Give the success of the attack on the victims themselves, and that of the control.
    """
    names = short_names(list(dict.fromkeys(data["target"])))
    shown = data[data["seed"] == MEAN] if several_seeds else data
    shown = shown.dropna(subset="success")
    shown = shown.assign(success=shown["success"].astype(float).round(12))
    own = shown[shown["source"] == shown["target"]]
    noise = shown[shown["source"] == CONTROL]
    pairs = shown[(shown["source"] != shown["target"]) & (shown["source"] != CONTROL)]

    def rate(rows: pd.DataFrame) -> str:
        if several_seeds:
            return f"{spread_text(rows['success'].iloc[0], rows['sd'].iloc[0], 1)} % over the seeds"
        return tied_rate(rows, "success")

    def pair(rows: pd.DataFrame) -> str:
        return listed([f"from {names[one['source']]} to {names[one['target']]}" for one in rows.to_dict("records")])

    def range_of(rows: pd.DataFrame) -> str:
        return span(rows["success"].tolist(), lambda share: percent(share, 1))

    if pairs.empty:
        yield "No image was tried on a victim that it was not made on."
    elif pairs["success"].nunique() == 1:
        yield f"The measured success on another victim is {rate(pairs)}, {pair(pairs)}."
    else:
        most, least = (pairs[pairs["success"] == one] for one in (pairs["success"].max(), pairs["success"].min()))
        yield f"The highest measured success on another victim is {rate(most)}, {pair(most)}."
        yield f"The lowest is {rate(least)}, {pair(least)}."
    if len(own):
        yield f"On the victim that the images were made on, success is {range_of(own)} %."
    if len(noise):
        yield f"Random noise of the same epsilon has a success of {range_of(noise)} %."


def _display(data: pd.DataFrame, several_seeds: bool) -> pd.DataFrame:
    """Return, for each seed, one row per source and one for the control, with one column per target, and a row with n.

    A victim that exists with one seed only has empty cells for the others.
    """
    names = short_names(list(dict.fromkeys(data["target"])))
    rows = []
    for seed, table in data.groupby("seed", sort=False):
        shown = {"seed": seed} if several_seeds else {}
        for source, cells in table.groupby("source", sort=False):
            texts = {cell["target"]: rate_text(cell, "success") for _, cell in cells.iterrows()}
            rows.append(
                {
                    "source": names.get(str(source), CONTROL),
                    **shown,
                    **{name: texts.get(target, "") for target, name in names.items()},
                }
            )
        if seed != MEAN:
            images = {cell["target"]: f"{cell['n']:,.0f}" for cell in table.to_dict("records")}
            rows.append({"source": IMAGES, **shown, **{name: images.get(target, "") for target, name in names.items()}})
    return pd.DataFrame(rows)
