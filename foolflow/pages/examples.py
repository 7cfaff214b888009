"""Choose the images to show for a cell of the leaderboard: misclassified ones first, then the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from foolflow.data.splits import Split
from foolflow.statistics.attempts import Attempt
from foolflow.statistics.robustness import Budget
from foolflow.tables.leaderboard import CLEAN, Standing

EXAMPLES = 6

# (attempt, row of its adversarial set) -> float32 (C, H, W) in [0, 1]
ReadImage = Callable[[Attempt, int], np.ndarray]


@dataclass(frozen=True)
class Example:
    """One image to show.

    image: index in the test split.  clean, adversarial: uint8 (C, H, W); adversarial is None in a clean cell.
    label, clean_prediction, prediction: class names.  how: the attack and the distances of the image.
    """

    image: int
    label: str
    clean: np.ndarray
    clean_prediction: str
    adversarial: np.ndarray | None
    prediction: str
    how: str


def examples(
    standing: Standing, split: Split, read: ReadImage, budget: Budget | None = None
) -> dict[str, list[Example]]:
    """Return the examples of each column of a board. budget: that of the board. Images outside it are marked."""
    return {name: list(_of_column(standing, name, split, read, budget)) for name in standing.columns()}


def _of_column(
    standing: Standing, name: str, split: Split, read: ReadImage, budget: Budget | None
) -> Iterator[Example]:
    tried = standing.tried[name] if name != CLEAN else next(iter(standing.tried.values()))
    # A victim may know more classes than the data set has.
    names = tried[0][0].records.attrs.get("class_names", split.class_names)
    right = standing.columns()[name]
    labels = _labels(*tried[0])
    for index in _chosen(labels, right, shown=standing.clean if name != CLEAN else np.ones_like(right)):
        attempt, found = next((one for one in tried if not one[1]["right"].iloc[index]), tried[0])
        row = int(found["row"].iloc[index])
        record = attempt.records.iloc[row]
        yield Example(
            image=int(standing.images[index]),
            label=names[int(record["label"])],
            clean=split.images[standing.images[index]],
            clean_prediction=names[int(record["clean_prediction"])],
            adversarial=None if name == CLEAN else _to_8_bits(read(attempt, row)),
            prediction=names[int(record["prediction"])],
            how="" if name == CLEAN else _how(attempt, record, budget),
        )


def _labels(attempt: Attempt, found: pd.DataFrame) -> np.ndarray:
    return attempt.records["label"].to_numpy()[found["row"]]


def _chosen(labels: np.ndarray, right: np.ndarray, shown: np.ndarray) -> list[int]:
    """Return the positions of the examples, chosen from the images `shown`: wrong ones first, alternating by class.

    labels: int (N,).  right, shown: bool (N,).
    """
    table = pd.DataFrame({"label": labels, "right": right})[shown]
    table["turn"] = table.groupby(["right", "label"]).cumcount()
    return table.sort_values(["right", "turn"], kind="stable").index[:EXAMPLES].tolist()


def _to_8_bits(image: np.ndarray) -> np.ndarray:
    return np.round(image * 255).astype(np.uint8)


def _how(attempt: Attempt, record: pd.Series, budget: Budget | None) -> str:
    origin = "" if attempt.source is None else f" on {attempt.source}"
    beyond = "" if budget is None or record[budget.norm] <= budget.largest else "; outside the budget"
    return f"{attempt.attack}{origin}: L2 {record['l2']:.3g}, L∞ {record['linf']:.3g}{beyond}"
