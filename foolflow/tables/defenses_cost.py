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

    @property
    def epochs(self) -> int | None:
        return None if self.history is None else len(self.history)

    @property
    def seconds(self) -> float | None:
        return None if self.history is None else float(self.history["seconds"].sum())

    @property
    def seconds_per_epoch(self) -> float | None:
        return None if self.history is None else float(self.history["seconds"].mean())


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
    """Build the table.

    Its CSV has fractions and seconds. `times_none` is the ratio of the seconds per epoch: the number of epochs belongs
    to the recipe of a victim, not to its defense. `holm_p` compares clean predictions with the undefended.
    """
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
            "a filter that acts only at test time needs no training. It depends on the number of epochs, which each "
            "recipe chooses, so defenses are compared by their time per epoch, the training time divided by the "
            "number of epochs. 'Per epoch, times undefended': the time per epoch, divided by that of the undefended "
            "victim of the same seed.",
            "Clean %: the accuracy on the n attacked test images before the attack, with Wilson's 95 % interval. "
            "'Points lost' is relative to the undefended victim of the same seed, on the same images: "
            f"{counted(int(tested.sum()), 'exact McNemar test')}, one family, corrected after Holm.",
            *_epochs_note(data),
        ],
        varies=True,
    )


def _row(one: Defended, undefended: Defended | None) -> dict[str, Any]:
    low, high = wilson_interval(int(one.right.sum()), len(one.right))
    row = {
        **{key: getattr(one, key) for key in VICTIM},
        "epochs": one.epochs,
        "seconds": one.seconds,
        "seconds_per_epoch": one.seconds_per_epoch,
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
    here, before = one.seconds_per_epoch, undefended.seconds_per_epoch
    return row | {
        "times_none": here / before if here is not None and before else None,
        "lost": both[:, 0].mean() - both[:, 1].mean() if len(both) else None,
        "p_value": compare_paired(both[:, 0], both[:, 1]).p_value if len(both) else None,
    }


def _epochs_note(data: pd.DataFrame) -> Iterator[str]:
    """Say that points lost also reflect the number of epochs, if it differs between victims that are compared."""
    compared = data.groupby(["model", "seed"]).filter(lambda rows: rows["lost"].notna().any())
    if len(compared) and (compared.groupby(["model", "seed"])["epochs"].nunique() > 1).any():
        yield (
            "'Points lost' also reflects the number of epochs, which differs between the victims of "
            f"{'a model' if data['model'].nunique() > 1 else 'the model'}: it is not the effect of the defense alone."
        )


def _display(data: pd.DataFrame) -> pd.DataFrame:
    columns = {
        **({"model": data["model"]} if data["model"].nunique() > 1 else {}),
        "defense": data["defense"],
        **({"seed": data["seed"].astype(str)} if data["seed"].nunique() > 1 else {}),
        "epochs": data["epochs"].map(lambda epochs: "" if pd.isna(epochs) else f"{epochs:.0f}"),
        "training time": data["seconds"].map(lambda seconds: "" if pd.isna(seconds) else duration(seconds)),
        "time per epoch": data["seconds_per_epoch"].map(_short),
        "per epoch, times undefended": data["times_none"].map(lambda ratio: "" if pd.isna(ratio) else f"{ratio:.2f}"),
        "clean %": data["clean"].map(percent),
        "95 % interval": percent_intervals(data),
        "n": data["n"].map("{:,}".format),
        "points lost": data["lost"].map(_lost),
        "p (Holm)": data["holm_p"].map(p_text),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _short(seconds: float | None) -> str:
    """Format a duration for readers, with two digits below 10 s, as an epoch may take less than one."""
    if seconds is None or pd.isna(seconds):
        return ""
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)


def _lost(difference: float | None) -> str:
    if difference is None or pd.isna(difference):
        return ""
    return signed_points(difference) if difference else "0.0"


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say for each model which defense takes the longest time per epoch, and which ones lose clean accuracy."""
    first = data[data["seed"] == data["seed"].min()]
    of_seed = f" (seed {data['seed'].min()})" if data["seed"].nunique() > 1 else ""
    for model, rows in first.groupby("model", sort=False):
        where = (f" of {model}" if first["model"].nunique() > 1 else "") + of_seed
        trained = rows.dropna(subset="times_none")
        if len(trained):
            top = trained.loc[trained["times_none"].idxmax()]
            time, ratio = _short(top["seconds_per_epoch"]), f"{top['times_none']:.2f}"
            if top["times_none"] < 1:
                yield (
                    f"No defense{where} takes longer per epoch than the undefended network; the longest time per epoch "
                    f"is that with {top['defense']}: {time}, {ratio} times as long."
                )
            else:
                yield (
                    f"The longest time per epoch{where} is that with {top['defense']}: {time}, {ratio} times that of "
                    "the undefended network."
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
