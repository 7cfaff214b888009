"""R4's table: accuracy at each epsilon next to the published row, with a test for a drop in accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.reading import read_json
from foolflow.statistics.attempts import right_before
from foolflow.statistics.budget import size_in_words
from foolflow.statistics.intervals import prediction_interval, wilson_interval
from foolflow.statistics.paired import SIGNIFICANT, compare_paired, holm
from foolflow.tables.links import Link, Row, links, to_images, to_victim
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.wording import ALL_COUNT, agreement, counted
from foolflow.tables.writing import (
    VERSUS,
    Table,
    deviation,
    p_text,
    percent,
    percent_interval,
    percent_intervals,
    points,
    published_note,
    verdict,
    verdict_note,
    without_empty_columns,
)

ALIKE = ["dataset", "model", "attack", "epsilon"]  # columns whose values the seeds of a network share
NOISE = "random noise %"
AGAINST_NOISE = "p (Holm), against noise"
CONTROL = ["control_accuracy", "control_low", "control_high", "control_p_holm", "p_holm_vs_control"]


@dataclass(frozen=True)
class Sweep:
    """One victim's sweep. records: those of the attack.

    modified: epsilon, n and correct of the modified data set, from `scripts/measure_images.py`.
    control: the name of the random noise of the same sizes, if there is one.  noise: its records.
    """

    dataset: str
    model: str
    attack: str
    seed: int
    records: pd.DataFrame
    modified: Mapping[str, Any]
    defense: str = "none"
    control: str | None = None
    noise: pd.DataFrame | None = None


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: sweeps, a list of cells in the order of the input `modified`; reference."""
    sweeps = [
        Sweep(
            **{key: cell[key] for key in ("dataset", "model", "attack", "seed", "defense", "control")},
            records=artefacts.records(cell),
            modified=read_json(file),
            noise=None if cell["control"] is None else artefacts.records(cell | {"attack": cell["control"]}),
        )
        for cell, file in zip(spec["sweeps"], artefacts.files["modified"], strict=True)
    ]
    return tabulate(sweeps, spec["reference"])


def tabulate(sweeps: Sequence[Sweep], reference: Mapping[str, Any]) -> Table:
    """Build the table. reference: reference/r4_fgsm_sweep.yaml."""
    of_sweeps = [_rows(sweep, reference) for sweep in sweeps]
    data = with_spread(pd.concat(of_sweeps, ignore_index=True), ALIKE, "accuracy")
    data = data.join(_of_another_seed(data), on=ALIKE)
    display = _display(data)
    shown = [
        _links(sweep, row) for sweep, rows in zip(sweeps, of_sweeps, strict=True) for row in rows.to_dict("records")
    ]
    return Table(
        title="Accuracy at each epsilon",
        data=data,
        display=display,
        findings=[
            *(sentence for rows in of_sweeps for sentence in _sentences(rows)),
            *(sentence for name in reference["source"] for sentence in _agreement(data, name)),
            *(sentence for name in reference["source"] for sentence in _expected(data, name)),
            *(sentence for name in reference["source"] for sentence in _nearest(data, name)),
        ],
        images=links(display, shown),
        notes=[
            f"{ALL_COUNT} Intervals are Wilson's. "
            "'8 bits': the same images rounded to 256 levels. 'Modified set': read back by torchvision from the PNG "
            "files of the modified data set and classified anew.",
            *_tests_note(of_sweeps),
            *_control_note(data),
            *spread_note(data),
            *_another_seed_note(data),
            *verdict_note(display),
            *published_note(data, reference["source"]),
        ],
    )


def _of_another_seed(data: pd.DataFrame) -> pd.DataFrame:
    """Return the interval in which the accuracy of one more seed lies, for each network and epsilon with several."""
    found = {alike: prediction_interval(rows["accuracy"].to_numpy()) for alike, rows in data.groupby(ALIKE, sort=False)}
    index = pd.MultiIndex.from_tuples(found, names=ALIKE)
    within = pd.DataFrame(found.values(), columns=["another_seed_low", "another_seed_high"], index=index)
    return within.clip(0, 1)


def _another_seed_note(data: pd.DataFrame) -> list[str]:
    if data["another_seed_low"].isna().all():
        return []
    return [
        "Another seed: where the accuracy of one more training lies with 95 % probability, from Student's t "
        "distribution of the seeds here; with few seeds, it is wide."
    ]


def _rows(sweep: Sweep, reference: Mapping[str, Any]) -> pd.DataFrame:
    epsilons = sorted(sweep.records["epsilon"].unique())
    first = sweep.records[sweep.records["epsilon"] == epsilons[0]]
    right_clean = right_before(first).to_numpy()
    rows = [{"epsilon": 0.0, **_accuracy(right_clean), "accuracy_8bit": right_clean.mean()}]
    modified = min(epsilons, key=lambda epsilon: abs(epsilon - sweep.modified["epsilon"]))  # which is in four digits
    for epsilon in epsilons:
        records = sweep.records[sweep.records["epsilon"] == epsilon]
        right = (records["prediction"] == records["label"]).to_numpy()
        row = {
            "epsilon": epsilon,
            **_accuracy(right),
            "accuracy_8bit": (records["prediction_8bit"] == records["label"]).mean(),
            **asdict(compare_paired(right_clean, right)),
        }
        if epsilon == modified:
            row["accuracy_modified"] = sweep.modified["correct"] / sweep.modified["n"]
        rows.append(row)
    adjusted = holm([row["p_value"] for row in rows[1:]])
    for row, p_holm in zip(rows[1:], adjusted, strict=True):
        row["p_holm"] = p_holm
    table = pd.DataFrame(rows).merge(_control(sweep, epsilons, right_clean), on="epsilon", how="left")
    published = reference["accuracy"].get(sweep.dataset, {}).get(sweep.model, {})
    for column in reference["source"]:
        known = (
            dict(zip(map(float, reference["epsilon"]), published[column], strict=True)) if column in published else {}
        )
        table[f"published_{column}"] = table["epsilon"].map(known).astype(float)
    table.insert(0, "dataset", sweep.dataset)
    table.insert(1, "model", sweep.model)
    table.insert(2, "attack", sweep.attack)
    table.insert(3, "seed", sweep.seed)
    table["control"] = sweep.control
    return table


def _control(sweep: Sweep, epsilons: Sequence[float], right_clean: np.ndarray) -> pd.DataFrame:
    """Return the columns of the random noise: a row for the clean images and for each epsilon; none without noise."""
    columns = ["epsilon", *CONTROL]
    if sweep.noise is None:
        return pd.DataFrame(columns=columns, dtype=float)
    noise, attacked = _right(sweep.noise), _right(sweep.records)
    tests = zip(
        holm([compare_paired(right_clean, noise[epsilon]).p_value for epsilon in epsilons]),
        holm([compare_paired(noise[epsilon], attacked[epsilon]).p_value for epsilon in epsilons]),
        strict=True,
    )
    found = [(0.0, right_clean, (np.nan, np.nan))]
    found += [(epsilon, noise[epsilon], p_values) for epsilon, p_values in zip(epsilons, tests, strict=True)]
    rows = [
        [epsilon, right.mean(), *wilson_interval(int(right.sum()), len(right)), *p_values]
        for epsilon, right, p_values in found
    ]
    return pd.DataFrame(rows, columns=columns)


def _right(records: pd.DataFrame) -> dict[Any, np.ndarray]:
    """Return which images are classified correctly at each epsilon: bool (N,)."""
    return {epsilon: (rows["prediction"] == rows["label"]).to_numpy() for epsilon, rows in records.groupby("epsilon")}


def _links(sweep: Sweep, row: Row) -> dict[str, Link]:
    """Return the links of a row. The clean row leads to the victim."""
    cell = vars(sweep)
    columns = [
        "n",
        "accuracy %",
        "95 % interval",
        "8 bits %",
        "modified set %",
        "wrong to right",
        "Cohen's g",
        "p (Holm)",
    ]
    if row["epsilon"] == 0:
        return dict.fromkeys([*columns, NOISE], to_victim(cell))
    made = to_images(cell, epsilon=row["epsilon"])
    fooled = to_images(cell, epsilon=row["epsilon"], outcome="fooled") if row["right_to_wrong"] else made
    found = {**dict.fromkeys(columns, made), "right to wrong": fooled}
    if sweep.control is not None:
        found[NOISE] = to_images(cell, sweep.control, epsilon=row["epsilon"])
        found[AGAINST_NOISE] = made
    return found


def _agreement(data: pd.DataFrame, name: str) -> list[str]:
    several = data[["dataset", "model", "attack", "seed"]].drop_duplicates().shape[0] > 1
    compared = [
        (
            f"epsilon {size_in_words(row['epsilon'])}"
            + (f" ({row['model']}, {row['attack']}, seed {row['seed']})" if several else ""),
            deviation(row["accuracy"], row["low"], row["high"], row[f"published_{name}"]),
        )
        for row in data.to_dict("records")
    ]
    return agreement(name, "accuracy", compared)


def _expected(data: pd.DataFrame, name: str) -> list[str]:
    """Say for each network with several seeds whether the published training could be another one of its seeds."""
    known = data.dropna(subset=[f"published_{name}", "another_seed_low"]).drop_duplicates(ALIKE)
    found = []
    for (dataset, model, attack), rows in known.groupby(ALIKE[:3], sort=False):
        published = rows[f"published_{name}"]
        outside = rows[(published < rows["another_seed_low"]) | (published > rows["another_seed_high"])]
        beyond = f"; at {_epsilons(outside)}, it does not" if len(outside) else ""
        inside = len(rows) - len(outside)
        found.append(
            f"Published ({name.replace('_', ' ')}): at {inside} of {len(rows)} epsilons, the accuracy lies where "
            f"another seed of {model} ({dataset}, {attack}) would{beyond}."
        )
    return found


def _nearest(data: pd.DataFrame, name: str) -> list[str]:
    """Say how far each network is from a published row at most, on average over its seeds, if several are compared."""
    known = data.dropna(subset=[f"published_{name}"])
    known = known.groupby(ALIKE, sort=False)[["accuracy", f"published_{name}"]].mean().reset_index()
    known = known.assign(distance=(known["accuracy"] - known[f"published_{name}"]).abs())
    found = []
    for dataset, rows in known.groupby("dataset", sort=False):
        if rows["model"].nunique() < 2:
            continue
        largest = rows.loc[rows.groupby(["model", "attack"], sort=False)["distance"].idxmax()]
        each = [
            f"{row['model']} {points(row['distance'])} (epsilon {size_in_words(row['epsilon'])})"
            for row in largest.sort_values("distance", kind="stable").to_dict("records")
        ]
        means = ", of the means over the seeds" if data["seed"].nunique() > 1 else ""
        found.append(
            f"Largest distance from the published row ({name.replace('_', ' ')}) on {dataset}{means}, in points, the "
            f"nearest network first: {', '.join(each)}."
        )
    return found


def _accuracy(right: np.ndarray) -> dict[str, Any]:
    low, high = wilson_interval(int(right.sum()), len(right))
    return {"n": len(right), "accuracy": right.mean(), "low": low, "high": high}


def _display(data: pd.DataFrame) -> pd.DataFrame:
    """Select the columns for readers; the CSV has all of them."""
    several_seeds = data["seed"].nunique() > 1
    columns = {
        "data set": data["dataset"],
        "model": data["model"],
        "attack": data["attack"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "epsilon": data["epsilon"].map(size_in_words),
        "n": data["n"].map("{:,}".format),
        "accuracy %": data["accuracy"].map(percent),
        "95 % interval": percent_intervals(data),
        **spread_column(data, "accuracy %"),
        "another seed %": [
            "" if pd.isna(low) else percent_interval(low, high)
            for low, high in data[["another_seed_low", "another_seed_high"]].itertuples(index=False)
        ],
        "8 bits %": data["accuracy_8bit"].map(percent),
        "modified set %": data["accuracy_modified"].map(percent),
        "published %": data["published_tutorial"].map(percent),
        VERSUS: _verdicts(data, "tutorial"),
        "newer page %": data["published_newer_tutorial"].map(percent),
        f"{VERSUS}: newer page": _verdicts(data, "newer_tutorial"),
        "right to wrong": data["right_to_wrong"].map(_count),
        "wrong to right": data["wrong_to_right"].map(_count),
        "Cohen's g": data["cohens_g"].map(lambda g: "" if pd.isna(g) else f"{g:.2f}"),
        "p (Holm)": data["p_holm"].map(p_text),
        NOISE: [
            "" if pd.isna(row[0]) else f"{percent(row[0])} ({percent_interval(*row[1:])})"
            for row in data[["control_accuracy", "control_low", "control_high"]].itertuples(index=False)
        ],
        AGAINST_NOISE: data["p_holm_vs_control"].map(p_text),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _verdicts(data: pd.DataFrame, name: str) -> list[str]:
    return [verdict(*row) for row in data[["accuracy", "low", "high", f"published_{name}"]].itertuples(index=False)]


def _count(value: float) -> str:
    return "" if pd.isna(value) else f"{int(value):,}"


def _sentences(rows: pd.DataFrame) -> list[str]:
    """Return from which epsilon on a network is worse, and what random noise of the same size does, if it was tried."""
    clean, largest = rows.iloc[0], rows.iloc[-1]
    found = [_sentence(rows)]
    if clean["control"] is not None:
        attacked = rows.iloc[1:]
        changed = _epsilons(attacked[attacked["control_p_holm"] < SIGNIFICANT])
        ahead = attacked["accuracy"] < attacked["control_accuracy"]
        below = _epsilons(attacked[ahead & (attacked["p_holm_vs_control"] < SIGNIFICANT)])
        found.append(
            f"Random noise of the same size ({clean['control']}) changes the accuracy of {clean['model']} on "
            f"{clean['dataset']} (seed {clean['seed']}) significantly at {changed}: it leaves "
            f"{percent(largest['control_accuracy'])} % at epsilon {size_in_words(largest['epsilon'])}, where "
            f"{clean['attack']} leaves {percent(largest['accuracy'])} %. {clean['attack']} leaves significantly less "
            f"than the noise at {below} (exact McNemar, Holm-corrected, level {SIGNIFICANT})."
        )
    return found


def _epsilons(rows: pd.DataFrame) -> str:
    return f"epsilon {', '.join(map(size_in_words, rows['epsilon']))}" if len(rows) else "no epsilon"


def _control_note(data: pd.DataFrame) -> list[str]:
    if data["control"].isna().all():
        return []
    return [
        "'Random noise': the same images with random noise of the same size and norm, made without a gradient. An "
        "image that is misclassified when clean stays as it is."
    ]


def _tests_note(sweeps: Sequence[pd.DataFrame]) -> list[str]:
    epsilons = [len(rows) - 1 for rows in sweeps]
    controlled = any(rows["control"].notna().any() for rows in sweeps)
    family = counted(epsilons[0], "test") if len(set(epsilons)) == 1 else f"{min(epsilons)} to {max(epsilons)} tests"
    noise = (
        f" Random noise has a family of its own of the same size, and so has '{AGAINST_NOISE}', the test of the attack "
        "against the noise on the same images."
        if controlled
        else ""
    )
    return [
        "p (Holm): the exact McNemar test of the accuracy at an epsilon against the clean accuracy, image by image. "
        f"The epsilons of one victim's sweep are one family ({family}), corrected after Holm.{noise}"
    ]


def _sentence(rows: pd.DataFrame) -> str:
    clean, attacked = rows.iloc[0], rows.iloc[1:]
    worse = (attacked["p_holm"] < SIGNIFICANT) & (attacked["cohens_g"] > 0)
    from_here_on = worse[::-1].cummin()[::-1]  # worse at this epsilon and at every larger one
    who = f"{clean['model']} on {clean['dataset']} (seed {clean['seed']}), attacked by {clean['attack']},"
    if not from_here_on.any():
        only = f"only at {_epsilons(attacked[worse])}" if worse.any() else "at no epsilon"
        return f"{who} is significantly less accurate {only} (exact McNemar, Holm-corrected, level {SIGNIFICANT})."
    row = attacked[from_here_on].iloc[0]
    p_value = p_text(row["p_holm"])
    return (
        f"{who} is significantly less accurate from epsilon {size_in_words(row['epsilon'])} on: its accuracy falls "
        f"from {percent(clean['accuracy'])} % to {percent(row['accuracy'])} %; {int(row['right_to_wrong']):,} images "
        f"turn wrong and {int(row['wrong_to_right']):,} turn right (exact McNemar test on {int(row['n']):,} pairs, "
        f"p {p_value if p_value.startswith('<') else '= ' + p_value} after Holm's correction over {len(attacked)} "
        f"epsilons, Cohen's g {row['cohens_g']:.2f})."
    )
