"""What each defense costs: training time, and accuracy on clean images (R3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import UNDEFENDED, VICTIM
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT, compare_paired, holm_of_known
from foolflow.statistics.robustness import on_common_images
from foolflow.tables.links import links, to_victim
from foolflow.tables.wording import counted, duration
from foolflow.tables.writing import (
    Table,
    p_text,
    percent,
    percent_intervals,
    signed_points,
    without_empty_columns,
)


@dataclass(frozen=True)
class Defended:
    """One victim.

    right: for each image of the test split that was attacked, by its index, whether the victim classifies it correctly
        when clean.
    history: the epochs of its training, with `seconds`; None if it was not trained here.
    """

    dataset: str
    model: str
    defense: str
    seed: int
    right: pd.Series
    history: pd.DataFrame | None


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; victims, each with `trained` and `cells`, the adversarial sets that it judged."""
    victims = []
    for victim in spec["victims"]:
        records = max((artefacts.records(cell) for cell in victim["cells"]), key=len).drop_duplicates("index")
        right = right_before(records).set_axis(records["index"])
        history = artefacts.history(victim) if victim["trained"] else None
        victims.append(Defended(**{key: victim[key] for key in VICTIM}, right=right, history=history))
    return tabulate(spec["title"], victims)


def tabulate(title: str, victims: Sequence[Defended]) -> Table:
    """Build the table. The CSV has fractions and seconds; `holm_p` compares clean predictions with the undefended."""
    undefended = {(one.model, one.seed): one for one in victims if one.defense == UNDEFENDED}
    data = pd.DataFrame([_row(one, undefended.get((one.model, one.seed))) for one in victims])
    tested = data["p_value"].notna()
    data["holm_p"] = holm_of_known(data["p_value"])
    display = _display(data)
    return Table(
        title=title,
        data=data.drop(columns="p_value"),
        display=display,
        findings=list(_findings(data)),
        best={"clean %": "highest"},
        best_within=["model", "seed", "n"],
        images=links(display, [{"clean %": to_victim(vars(one))} for one in victims]),
        notes=[
            "Training time: of the epochs of this run, on its machine, where other jobs may have run at the same time; "
            "a filter that acts only at test time needs no training. 'Times undefended': divided by the training time "
            "of the undefended victim of the same seed.",
            "Clean %: the accuracy on the n attacked test images before the attack, with Wilson's 95 % interval. "
            "'Points lost' is relative to the undefended victim of the same seed, on the same images: "
            f"{counted(int(tested.sum()), 'exact McNemar test')}, one family, corrected after Holm.",
        ],
        varies=True,
    )


def _row(one: Defended, undefended: Defended | None) -> dict[str, Any]:
    low, high = wilson_interval(int(one.right.sum()), len(one.right))
    seconds, epochs = _training(one)
    row = {
        **{key: getattr(one, key) for key in VICTIM},
        "epochs": epochs,
        "seconds": seconds,
        "times_none": None,
        "n": len(one.right),
        "clean": one.right.mean(),
        "low": low,
        "high": high,
        "lost": None,
        "p_value": None,
    }
    if undefended is None or undefended is one:
        return row
    both = on_common_images([undefended.right, one.right]).to_numpy()
    before = _training(undefended)[0]
    return row | {
        "times_none": seconds / before if seconds is not None and before else None,
        "lost": both[:, 0].mean() - both[:, 1].mean() if len(both) else None,
        "p_value": compare_paired(both[:, 0], both[:, 1]).p_value if len(both) else None,
    }


def _training(one: Defended) -> tuple[float | None, int | None]:
    """Return the seconds and the number of the epochs."""
    return (None, None) if one.history is None else (float(one.history["seconds"].sum()), len(one.history))


def _display(data: pd.DataFrame) -> pd.DataFrame:
    columns = {
        **({"model": data["model"]} if data["model"].nunique() > 1 else {}),
        "defense": data["defense"],
        **({"seed": data["seed"].astype(str)} if data["seed"].nunique() > 1 else {}),
        "epochs": data["epochs"].map(lambda epochs: "" if pd.isna(epochs) else f"{epochs:.0f}"),
        "training time": data["seconds"].map(lambda seconds: "" if pd.isna(seconds) else duration(seconds)),
        "times undefended": data["times_none"].map(lambda ratio: "" if pd.isna(ratio) else f"{ratio:.2f}"),
        "clean %": data["clean"].map(percent),
        "95 % interval": percent_intervals(data),
        "n": data["n"].map("{:,}".format),
        "points lost": data["lost"].map(_lost),
        "p (Holm)": data["holm_p"].map(p_text),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _lost(difference: float | None) -> str:
    if difference is None or pd.isna(difference):
        return ""
    return signed_points(difference) if difference else "0.0"


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say for each model which defense takes longest to train, and which ones lose clean accuracy."""
    first = data[data["seed"] == data["seed"].min()]
    of_seed = f" (seed {data['seed'].min()})" if data["seed"].nunique() > 1 else ""
    for model, rows in first.groupby("model", sort=False):
        where = (f" of {model}" if first["model"].nunique() > 1 else "") + of_seed
        trained = rows.dropna(subset="times_none")
        if len(trained):
            top = trained.loc[trained["times_none"].idxmax()]
            time, ratio = duration(top["seconds"]), f"{top['times_none']:.2f}"
            if top["times_none"] < 1:
                yield (
                    f"No defense{where} trains longer than the undefended network; the longest is {top['defense']}, "
                    f"{time}, {ratio} times as long."
                )
            else:
                yield (
                    f"The longest training{where} is that with {top['defense']}: {time}, {ratio} times that of the "
                    "undefended network."
                )
        compared = rows.dropna(subset="lost")
        significant = compared[compared["holm_p"] < SIGNIFICANT].sort_values("lost", ascending=False, kind="stable")
        changes = [
            f"{signed_points(-row['lost'])} points with {row['defense']}" for row in significant.to_dict("records")
        ]
        if changes:
            yield f"Clean accuracy{where} changes significantly: {', '.join(changes)} (exact McNemar tests, Holm)."
        elif len(compared):
            yield f"No defense{where} changes the clean accuracy significantly (exact McNemar tests, Holm)."
