"""R2's attack at one fixed norm: does it fool each image that has a perturbation within that norm?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.minimal import distances
from foolflow.statistics.paired import compare_paired, holm
from foolflow.tables.links import links, to_images
from foolflow.tables.wording import counted
from foolflow.tables.writing import Table, p_text, percent, percent_intervals


@dataclass(frozen=True)
class Fixed:
    """An attack at several norms on one victim. records: those of the attack.

    known: records of an attack that looks for the shortest L2 perturbation, on the same images.  shortest: its name.
    """

    dataset: str
    model: str
    seed: int
    attack: str
    shortest: str
    records: pd.DataFrame
    known: pd.DataFrame
    defense: str = "none"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: attacked, a list of cells; shortest, the attack that they are compared with."""
    keys = ("dataset", "model", "seed", "attack", "defense")
    return tabulate(
        [
            Fixed(
                **{key: cell[key] for key in keys},
                shortest=spec["shortest"],
                records=artefacts.records(cell),
                known=artefacts.records(cell | {"attack": spec["shortest"]}),
            )
            for cell in spec["attacked"]
        ]
    )


def tabulate(attacked: Sequence[Fixed]) -> Table:
    data = pd.DataFrame([row for one in attacked for row in _rows(one)])
    data["p_holm"] = holm(data["p_value"].tolist())
    shortest = attacked[0].shortest
    several_datasets, several_seeds = data["dataset"].nunique() > 1, data["seed"].nunique() > 1
    display = pd.DataFrame(
        {
            **({"data set": data["dataset"]} if several_datasets else {}),
            "model": data["model"],
            **({"seed": data["seed"].astype(str)} if several_seeds else {}),
            "norm": data["epsilon"].map("{:.4g}".format),
            "n": data["n"].map("{:,}".format),
            "fooled %": data["fooled"].map(percent),
            "95 % interval": percent_intervals(data),
            f"within, by {shortest} %": data["within"].map(percent),
            "missed": data["missed"].map("{:,}".format),
            "p (Holm)": data["p_holm"].map(p_text),
            "median steps": data["median_steps"].map(lambda steps: "" if pd.isna(steps) else f"{steps:,.0f}"),
        }
    )
    return Table(
        title="An attack at one fixed norm",
        data=data,
        display=display,
        findings=list(_findings(data, shortest)),
        images=links(
            display,
            [
                dict.fromkeys(
                    ["n", "fooled %", "95 % interval", "median steps"], to_images(row, epsilon=row["epsilon"])
                )
                for row in data.to_dict("records")
            ],
        ),
        notes=[
            "n: the attacked images that the network classifies correctly when clean. Intervals are Wilson's. Within: "
            f"the images for which {shortest} finds a perturbation that is not longer. Missed: those of them that the "
            "attack at the fixed norm does not fool. Median steps: of the images that it fools.",
            "p (Holm): the exact McNemar test of fooled against within, image by image. All rows are one family "
            f"({counted(len(data), 'test')}), corrected after Holm.",
        ],
    )


def _rows(one: Fixed) -> Iterator[dict[str, Any]]:
    length = distances(one.known)
    for epsilon in sorted(one.records["epsilon"].unique()):
        records = one.records[one.records["epsilon"] == epsilon].set_index("index")
        right = records[right_before(records)]
        fooled, within = right["success"].astype(bool), length[right.index] <= epsilon
        tested = compare_paired(fooled.to_numpy(), within.to_numpy())
        low, high = wilson_interval(int(fooled.sum()), len(fooled))
        yield {
            **{key: getattr(one, key) for key in ("dataset", "model", "defense", "seed", "attack")},
            "epsilon": float(epsilon),
            "n": len(right),
            "fooled": fooled.mean(),
            "low": low,
            "high": high,
            "within": within.mean(),
            "missed": int((within & ~fooled).sum()),
            "median_steps": right["iterations"][fooled].median(),
            "p_value": tested.p_value,
        }


def _findings(data: pd.DataFrame, shortest: str) -> Iterator[str]:
    """Say whether the steps suffice: how many images with a known perturbation the attack misses."""
    known = int((data["within"] * data["n"]).round().sum())
    missed, networks = int(data["missed"].sum()), data[["dataset", "model", "seed"]].drop_duplicates().shape[0]
    if known == 0:
        yield f"At none of these norms does {shortest} find a perturbation, so nothing says whether the steps suffice."
        return
    yield (
        f"Of {known:,} pairs of an image and a norm within which {shortest} finds a perturbation "
        f"({counted(networks, 'network')}), the attack at the fixed norm misses {missed:,}"
        f"{'' if missed else ': its steps suffice'}."
    )
