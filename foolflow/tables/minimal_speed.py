"""Speed of each attack of the study `minimal`. These numbers differ from run to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.writing import Table


@dataclass(frozen=True)
class Run:
    """One attack on one victim. run: its run.json."""

    dataset: str
    model: str
    seed: int
    attack: str
    run: Mapping[str, Any]
    defense: str = "none"

    @property
    def network(self) -> str:
        return self.model if self.defense == "none" else f"{self.model}, {self.defense}"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: attacked, a list of cells."""
    return tabulate(
        [
            Run(cell["dataset"], cell["model"], cell["seed"], cell["attack"], artefacts.run(cell), cell["defense"])
            for cell in spec["attacked"]
        ]
    )


def tabulate(runs: Sequence[Run]) -> Table:
    """Build the table: one row per attack, one column per network."""
    data = pd.DataFrame(
        [
            {
                **{key: getattr(one, key) for key in ("dataset", "model", "defense", "seed", "attack", "network")},
                **one.run,
            }
            for one in runs
        ]
    )
    devices = " and ".join(data["device"].unique())
    return Table(
        title="Speed of the attacks",
        data=data,
        display=_display(data),
        notes=[
            f"Attacked images per second, on {devices}. Reading, judging and writing the images is not included. Jobs "
            "ran in parallel, and not all attacked the same images or in the same norm; `bench/` compares speed on "
            "equal terms.",
        ],
        varies=True,
    )


def _display(data: pd.DataFrame) -> pd.DataFrame:
    """Keep the order of the data; drop columns that are the same in all rows."""
    rows = ["dataset", "seed", "attack"]
    speeds = data.assign(text=data["images_per_second"].map(_speed)).pivot(index=rows, columns="network", values="text")
    speeds = speeds.loc[list(data[rows].drop_duplicates().itertuples(index=False, name=None)), data["network"].unique()]
    display = speeds.fillna("").reset_index().astype(str).rename(columns={"dataset": "data set"})
    constant = [name for name in ("data set", "seed") if display[name].nunique() == 1]
    return display.drop(columns=constant)


def _speed(images_per_second: float) -> str:
    return f"{images_per_second:,.0f}" if images_per_second >= 10 else f"{images_per_second:.2g}"
