"""R4's other ways to make a data set worse: targeted and black-box attacks, and corruptions, next to FGSM."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM
from foolflow.statistics.attempts import right_before
from foolflow.statistics.budget import size_in_words
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT, compare_paired, holm
from foolflow.tables.links import Link, Row, links, to_images
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.wording import ALL_COUNT, counted
from foolflow.tables.writing import Table, p_text, percent, percent_intervals, without_empty_columns

CONTROL = "control"  # the way that chooses nothing against the victim


@dataclass(frozen=True)
class Way:
    """One adversarial set of one victim. records: those of the set, of which each image has one per size.

    way: such as `white box` or `control`.  unit: of the sizes, such as `epsilon` or `degrees`.
    source: the victim that the images were made on, as model/defense; None: the judging victim itself.
    """

    dataset: str
    model: str
    seed: int
    attack: str
    way: str
    unit: str
    records: pd.DataFrame
    source: str | None = None
    defense: str = "none"

    def at_each_size(self) -> Iterator[tuple[float, pd.DataFrame]]:
        """Yield each size, the smallest first, with its records in the order of the test split."""
        column = "epsilon" if self.records["epsilon"].notna().all() else "strength"
        for size in sorted(self.records[column].unique()):
            yield float(size), self.records[self.records[column] == size].set_index("index").sort_index()


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: ways, a list of cells with `way` and `unit`, grouped by victim.

    The first cell of a victim is the one that the others are compared with.
    """
    keys = ("dataset", "model", "seed", "attack", "way", "unit", "source", "defense")
    return tabulate([Way(**{key: cell[key] for key in keys}, records=artefacts.records(cell)) for cell in spec["ways"]])


def tabulate(ways: Sequence[Way]) -> Table:
    victims: dict[tuple, list[Way]] = {}
    for one in ways:
        victims.setdefault(tuple(getattr(one, key) for key in VICTIM), []).append(one)
    of_victims = [_rows(each) for each in victims.values()]
    alike = ("dataset", "model", "attack", "source", "size")
    data = with_spread(pd.concat(of_victims, ignore_index=True), alike, "accuracy")
    display = _display(data)
    return Table(
        title="Other ways to make the data set worse",
        data=data,
        display=display,
        findings=[sentence for rows in of_victims for sentence in _findings(rows)],
        images=links(display, [_links(row) for row in data.to_dict("records")]),
        notes=[
            f"{ALL_COUNT} Any wrong class is an error, also of a targeted attack. Intervals are Wilson's. "
            "Target reached: of the images that are classified correctly when clean. Mean L2 and L∞: "
            "distance of these images from the clean ones, in pixel units. "
            "White box: with the gradients of the network. Black box: without, from its outputs for many queries, or "
            "with images made on another network. Control: a change that is not chosen against the network.",
            _tests_note(of_victims),
            *spread_note(data),
        ],
    )


def _rows(ways: Sequence[Way]) -> pd.DataFrame:
    """Return a row for the clean images, and one for each way and size."""
    first = {size: _right(records) for size, records in ways[0].at_each_size()}
    rows: list[dict[str, Any]] = []
    against_clean, against_first = [], []
    for way in ways:
        for size, records in way.at_each_size():
            right, clean = _right(records), right_before(records)
            if not rows:
                rows.append(_row(ways[0], clean) | {"attack": "", "way": "clean", "unit": "", "size": np.nan})
            tested = compare_paired(clean.to_numpy(), right.to_numpy())
            against_clean.append(tested.p_value)
            compared = way is not ways[0] and way.unit == ways[0].unit and size in first
            against_first.append(
                compare_paired(first[size][right.index].to_numpy(), right.to_numpy()).p_value if compared else np.nan
            )
            attacked = records[clean]
            rows.append(
                _row(way, right)
                | {"size": size, "l2": attacked["l2"].mean(), "linf": attacked["linf"].mean()}
                | {"target_reached": attacked["success"].mean() if (attacked["target"] >= 0).all() else np.nan}
                | asdict(tested)
            )
    table = pd.DataFrame(rows)
    table["p_holm"] = [np.nan, *holm(against_clean)]
    known = ~np.isnan(against_first)
    adjusted = np.full(len(against_first), np.nan)
    adjusted[known] = holm([p_value for p_value, is_known in zip(against_first, known, strict=True) if is_known])
    table["p_first_holm"] = [np.nan, *adjusted]
    return table


def _right(records: pd.DataFrame) -> pd.Series:
    return records["prediction"] == records["label"]


def _row(way: Way, right: pd.Series) -> dict[str, Any]:
    low, high = wilson_interval(int(right.sum()), len(right))
    return {
        **{key: getattr(way, key) for key in (*VICTIM, "way", "attack", "source", "unit")},
        "n": len(right),
        "accuracy": right.mean(),
        "low": low,
        "high": high,
    }


def _links(row: Row) -> dict[str, Link]:
    if row["way"] == "clean":
        return {}
    epsilon = row["size"] if row["unit"] == "epsilon" else None
    source = row["source"] if isinstance(row["source"], str) else None  # pandas makes NaN of None
    link = to_images(row, source=source, epsilon=epsilon)
    return dict.fromkeys(["n", "accuracy %", "95 % interval", "target reached %", "mean L2", "mean L∞"], link)


def _display(data: pd.DataFrame) -> pd.DataFrame:
    several_seeds = data["seed"].nunique() > 1
    columns = {
        "data set": data["dataset"],
        "model": data["model"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "way": data["way"],
        "attack": data["attack"],
        "made on": data["source"].fillna(""),
        "size": [
            "" if pd.isna(size) else f"{size_in_words(size)} {unit}" for size, unit in data[["size", "unit"]].to_numpy()
        ],
        "n": data["n"].map("{:,}".format),
        "accuracy %": data["accuracy"].map(percent),
        "95 % interval": percent_intervals(data),
        **spread_column(data, "accuracy %"),
        "target reached %": data["target_reached"].map(percent),
        "mean L2": data["l2"].map(_distance),
        "mean L∞": data["linf"].map(_distance),
        "p (Holm), against clean": data["p_holm"].map(p_text),
        "p (Holm), against the first": data["p_first_holm"].map(p_text),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _distance(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _tests_note(of_victims: Sequence[pd.DataFrame]) -> str:
    clean = sum(int(rows["p_holm"].notna().sum()) for rows in of_victims)
    first = sum(int(rows["p_first_holm"].notna().sum()) for rows in of_victims)
    families = "" if len(of_victims) == 1 else f" on {len(of_victims)} victims; each is a family of its own"
    return (
        "p (Holm): exact McNemar tests, image by image, corrected after Holm within two families: against the clean "
        f"images ({counted(clean, 'test')}), and against the first attack at the same epsilon "
        f"({counted(first, 'test')}){families}."
    )


def _findings(rows: pd.DataFrame) -> Iterator[str]:
    """Compare each way with the first attack: attacks at equal epsilons, controls by distance."""
    first = rows[rows["attack"] == rows["attack"].iloc[1]].loc[lambda found: found["source"].isna()]
    others = rows.drop(index=[rows.index[0], *first.index])
    for _, way in others.groupby(["way", "attack", "source"], sort=False, dropna=False):
        shared = way[way["p_first_holm"].notna()]
        if way["way"].iloc[0] == CONTROL:
            yield _of_control(way.iloc[-1], first)
        elif len(shared):
            yield _of_attack(shared, first)


def _of_attack(shared: pd.DataFrame, first: pd.DataFrame) -> str:
    """Compare an attack with the first one at the epsilons that both have. shared: the rows of the former."""
    beside = first.set_index("size").loc[shared["size"]]
    significant = (shared["p_first_holm"] < SIGNIFICANT).to_numpy()
    above = (shared["accuracy"].to_numpy() > beside["accuracy"].to_numpy()) & significant
    row = shared.iloc[-1]
    made_on = "" if pd.isna(row["source"]) else f", made on {row['source']}"
    target = ""
    if pd.notna(row["target_reached"]):
        share = percent(row["target_reached"], 1)
        target = f" There, it reaches its target on {share} % of the images that were classified correctly."
    return (
        f"{_name(row)} ({row['way']}{made_on}) leaves a significantly higher accuracy than "
        f"{beside['attack'].iloc[-1]} ({beside['way'].iloc[-1]}) at {_epsilons(shared['size'][above])}, and a "
        f"significantly lower one at {_epsilons(shared['size'][significant & ~above])} (exact McNemar, "
        f"Holm-corrected, level {SIGNIFICANT}); at epsilon {size_in_words(row['size'])}, {percent(row['accuracy'])} % "
        f"next to {percent(beside['accuracy'].iloc[-1])} %.{target}"
    )


def _epsilons(sizes: pd.Series) -> str:
    return f"epsilon {', '.join(map(size_in_words, sizes))}" if len(sizes) else "no epsilon"


def _of_control(row: pd.Series, first: pd.DataFrame) -> str:
    as_bad = first[first["accuracy"] <= row["accuracy"]]
    if as_bad.empty:
        beside = f"{first['attack'].iloc[0]} leaves more at every epsilon"
    else:
        nearest = as_bad.iloc[0]
        beside = (
            f"{nearest['attack']} already leaves no more at epsilon {size_in_words(nearest['size'])}, "
            f"{percent(nearest['accuracy'])} %, at a mean L2 distance of {_distance(nearest['l2'])}"
        )
    number = size_in_words(row["size"])
    size = f"epsilon {number}" if row["unit"] == "epsilon" else f"{number} {row['unit']}"
    return (
        f"{_name(row)} (control, {size}) leaves {percent(row['accuracy'])} % at a "
        f"mean L2 distance of {_distance(row['l2'])}; {beside}."
    )


def _name(row: pd.Series) -> str:
    return f"{row['attack']} on {row['model']} ({row['dataset']}, seed {row['seed']})"
