"""How far attacks without a bound had to change the images of each defended victim."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import UNDEFENDED, VICTIM
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import median_interval, wilson_interval
from foolflow.statistics.minimal import distances, quantile
from foolflow.statistics.paired import SIGNIFICANT, compare_distances, holm_of_known
from foolflow.tables.links import links, to_images
from foolflow.tables.wording import counted
from foolflow.tables.writing import Table, p_text, percent, percent_intervals, without_empty_columns

SIZES = {  # columns of the records, in words; the first that the records have is compared with the undefended victim
    "flow_loss": "flow loss",
    "l2": "L2",
    "displacement": "displacement",
    "shift": "shift",
    "deformation": "deformation",
}
COMPARED = ("flow_loss", "l2")


@dataclass(frozen=True)
class Attacked:
    """One attack, without an epsilon, on one victim.  cell: names both.  records: the judgement."""

    cell: Mapping[str, Any]
    records: pd.DataFrame

    @property
    def compared(self) -> str:
        return next(name for name in COMPARED if name in self.records)

    @property
    def right(self) -> pd.DataFrame:
        """The records of the images that the victim classifies correctly when clean."""
        return self.records[right_before(self.records)]


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: title; cells, of minimal attacks that were made on the victims themselves."""
    return tabulate(spec["title"], [Attacked(cell, artefacts.records(cell)) for cell in spec["cells"]])


def tabulate(title: str, attacked: Sequence[Attacked]) -> Table:
    """Build the table.

    Its CSV has the medians with their intervals, infinite where too few images were fooled. `times_none` and `holm_p`
    compare the flow loss of stAdv, or the L2 distance of another attack, with that on the undefended victim, image by
    image, on the images that both victims classify correctly: a victim that is right on the easy images alone would
    otherwise seem robust. `way` is the direction of the test, and `farther` and `nearer` count the images.
    """
    undefended = {_opponent(one): one for one in attacked if one.cell["defense"] == UNDEFENDED}
    data = pd.DataFrame([_row(one, undefended.get(_opponent(one))) for one in attacked])
    tested = data["p_value"].notna()
    data["holm_p"] = holm_of_known(data["p_value"])
    display = _display(data)
    return Table(
        title=title,
        data=data.drop(columns="p_value"),
        display=display,
        findings=list(_findings(data)),
        images=links(display, [{"success %": to_images(one.cell)} for one in attacked]),
        notes=[
            "Attacks that look for the smallest perturbation, made on the victim itself. Success: the percentage of "
            "the n attacked images, classified correctly before, that the attack fools (into the target, if it has "
            "one), with Wilson's 95 % interval. Medians are over the same images, with 95 % intervals from the order "
            "statistics; an image that is not fooled is infinitely far "
            "(∞: fewer than half were fooled). L2 in pixel units, where white is 1; the flow loss, the displacement of "
            "the pixel that moves farthest, the shift of the whole image and the deformation, which is what remains "
            "without the shift, in pixels. SSIM: the structural similarity at or above which half of the images are "
            "fooled, empty if fewer than half are.",
            "'Times undefended' and p compare the flow loss (stAdv) or L2 (other attacks) with that on the undefended "
            "victim of the same seed, on the images that both classify correctly, which may be fewer than n. 'Times "
            "undefended': the median over these images of the ratio of the two distances, without images that are "
            "fooled on neither victim. It may differ from the ratio of the medians in the table, and is empty if it is "
            "0 or infinite. 'Farther / nearer': on how many images the distance is longer or shorter than without the "
            f"defense. p: the distances are compared: {counted(int(tested.sum()), 'Wilcoxon signed-rank test')}, one "
            "family, corrected after Holm. The test ranks the images by the difference of the distances, which the "
            "median ratio ignores, so the two may disagree; the finding then says 'mixed'.",
        ],
    )


def _opponent(one: Attacked) -> tuple[Any, ...]:
    return tuple(one.cell[key] for key in ("dataset", "model", "seed", "attack"))


def _row(one: Attacked, undefended: Attacked | None) -> dict[str, Any]:
    right = one.right
    fooled = int(right["success"].sum())
    low, high = wilson_interval(fooled, len(right))
    row = {
        **{key: one.cell[key] for key in (*VICTIM, "attack")},
        "n": len(right),
        "fooled": fooled,
        "success": fooled / len(right) if len(right) else None,
        "low": low,
        "high": high,
        **{key: value for size in SIZES for key, value in _median(right, size).items()},
        **_median_similarity(right),
        "compared": one.compared,
        **dict.fromkeys(("times_none", "farther", "nearer", "way", "mixed", "p_value")),
    }
    if undefended is None or undefended is one:
        return row
    here, before = (distances(which.right, one.compared) for which in (one, undefended))
    both = here.index.intersection(before.index)
    if not len(both):
        return row
    here, before = here[both], before[both]
    test = compare_distances(here.to_numpy(), before.to_numpy())
    times = _median_ratio(here, before)
    return row | {
        "times_none": times if 0 < times < np.inf else None,
        "farther": test.longer,
        "nearer": test.shorter,
        "way": "nearer" if test.first_is_shorter else "farther",
        "mixed": not (times < 1 if test.first_is_shorter else times > 1),
        "p_value": test.p_value,
    }


def _median_ratio(here: pd.Series, before: pd.Series) -> float:
    """Return the median of the ratios of two distances of each image; NaN if no image has one.

    Images whose distances are both infinite are left out, and those whose distances are both 0 have a ratio of 1.
    """
    known = np.isfinite(here) | np.isfinite(before)
    here, before = here[known], before[known]
    return quantile((here / before).where(here != before, 1.0), 0.5)


def _median(right: pd.DataFrame, size: str) -> dict[str, float | None]:
    name = f"median_{size}"
    if size not in right or not len(right):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    values = distances(right, size)
    low, high = median_interval(values.to_numpy())
    return {name: quantile(values, 0.5), f"{name}_low": low, f"{name}_high": high}


def _median_similarity(right: pd.DataFrame) -> dict[str, float | None]:
    """Return the median of the SSIM, whose small values are the far ones, as `_median` does for distances."""
    found = _median(right.assign(ssim=-right["ssim"]), "ssim")
    low, high = found["median_ssim_high"], found["median_ssim_low"]
    return {
        name: -value if value is not None and np.isfinite(value) else None
        for name, value in {
            "median_ssim": found["median_ssim"],
            "median_ssim_low": low,
            "median_ssim_high": high,
        }.items()
    }


def _display(data: pd.DataFrame) -> pd.DataFrame:
    columns = {
        **({"model": data["model"]} if data["model"].nunique() > 1 else {}),
        "defense": data["defense"],
        **({"seed": data["seed"].astype(str)} if data["seed"].nunique() > 1 else {}),
        "attack": data["attack"],
        "n": data["n"].map("{:,}".format),
        "success %": data["success"].map(percent),
        "95 % interval": percent_intervals(data),
        **{f"median {words}": _texts(data, f"median_{size}") for size, words in SIZES.items()},
        "median SSIM": ["" if pd.isna(value) else f"{value:.3f}" for value in data["median_ssim"]],
        "times undefended": ["" if pd.isna(ratio) else f"{ratio:.2f}" for ratio in data["times_none"]],
        "farther / nearer": [
            "" if pd.isna(p_value) else f"{farther:,.0f} / {nearer:,.0f}"
            for farther, nearer, p_value in data[["farther", "nearer", "holm_p"]].itertuples(index=False)
        ],
        "p (Holm)": data["holm_p"].map(p_text),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _texts(data: pd.DataFrame, name: str) -> list[str]:
    """Format the medians of a column, each with its interval, such as `46.1 (40.2 to 50.3)`."""
    columns = data[[name, f"{name}_low", f"{name}_high"]].astype(float).itertuples(index=False, name=None)
    return [
        "" if pd.isna(value) else _number(value) + ("" if not low < high else f" ({_number(low)} to {_number(high)})")
        for value, low, high in columns
    ]


def _number(value: float) -> str:
    if np.isinf(value):
        return "∞"
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say for each defended victim how far each attack has to go, next to how far without the defense."""
    several = {name: data[name].nunique() > 1 for name in ("model", "seed")}
    for row in data.dropna(subset="holm_p").to_dict("records"):
        victim = f"{row['model']}/{row['defense']}" if several["model"] else row["defense"]
        seed = f" (seed {row['seed']})" if several["seed"] else ""
        size, median = SIZES[row["compared"]], row[f"median_{row['compared']}"]
        found = "not significantly nearer or farther"
        if row["holm_p"] < SIGNIFICANT:
            found = f"significantly {row['way']}"
            if row["mixed"]:
                found = f"mixed: farther on {row['farther']:,.0f}, nearer on {row['nearer']:,.0f} images"
        distance = f"with a median {size} of {_number(median)}" if np.isfinite(median) else "too few for a median"
        times = "" if pd.isna(row["times_none"]) else f"{row['times_none']:.2f} times that without the defense"
        compared = f"the {size} is {times} in the median ({found})" if times else f"{found} than without the defense"
        fooled = f"{row['attack']} fools {percent(row['success'], 1)} % of the images"
        yield f"{victim}{seed}: {fooled}, {distance}; on the images that both classify correctly, {compared}."
