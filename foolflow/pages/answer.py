"""The answer, which the page shows first: how accurate is each victim, clean and in the worst case?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from foolflow.attacks.standard import CONTROLS
from foolflow.data.artefacts import NAMES, Artefacts
from foolflow.data.cells import VICTIM, Cell, victim_name
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.examples import choose
from foolflow.statistics.groups import compact_letters, compare_all
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT
from foolflow.statistics.robustness import in_common, outcomes, ranks, worst_case
from foolflow.statistics.summary import CLEAN, WORST
from foolflow.studies.robustness import shown_attack
from foolflow.tables.links import to_attacks
from foolflow.tables.wording import listed
from foolflow.tables.writing import percent

ANY_SIZE = "changes of any size"
LITTLE = 0.1  # of the clean accuracy; below it there is no robustness to speak of
KEPT = (  # below which part of the clean accuracy
    (LITTLE, "keeps almost none of its accuracy"),
    (0.5, "loses more than half of its accuracy"),
    (0.8, "loses a good part of its accuracy"),
    (float("inf"), "keeps most of its accuracy"),
)

# Whether the page shows the image in this row of an adversarial set.
IsShown = Callable[[Cell, int], bool]


@dataclass(frozen=True)
class Rate:
    """A fraction of n images, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, correct: int, n: int) -> "Rate":
        return cls(correct / n if n else float("nan"), *wilson_interval(correct, n), n)


@dataclass(frozen=True)
class Example:
    """One adversarial image that the page stores.

    cell, row: the attack, and the row in its adversarial set.  index: of the image in the test split.
    label, before, after: class names; before and after are predictions for the clean and the adversarial image, with
    their softmax probabilities.  attack: its name for readers.  linf: the largest change of a pixel value.
    """

    cell: Cell
    row: int
    index: int
    label: str
    before: str
    before_confidence: float
    after: str
    after_confidence: float
    attack: str
    linf: float


@dataclass(frozen=True)
class Standing:
    """One victim of a board.

    clean, worst: its accuracy.
    rank: by the worst case on the images that the board compares; 1 is the best, and equals share a rank.
    compared: its accuracy in the worst case on the images that the board compares, which may be fewer.
    kept: the part of the images classified correctly when clean that is classified correctly in the worst case, too.
    letters: two victims share one if and only if they do not differ significantly.
    differs: whether the victim differs significantly from each victim in the first place.
    hardest: the attack that leaves the least accuracy, or several.  images: the cell of the images that count.
    """

    name: str
    cell: Cell
    clean: Rate
    worst: Rate
    compared: Rate
    kept: float
    rank: int
    letters: str
    differs: bool
    hardest: str
    images: Cell
    warnings: Sequence[str] = ()
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Board:
    """The victims of one data set under one threat model, the most robust one first. compared: on how many images."""

    title: str
    dataset: str
    threat: str
    bounded: bool
    compared: int
    standings: list[Standing] = field(default_factory=list)


def board(spec: Mapping[str, Any], artefacts: Artefacts, is_shown: IsShown) -> Board:
    """Build one board. spec: see `foolflow.studies.contents.boards`."""
    budget = None if spec["norm"] is None else Budget(spec["norm"], spec["epsilon"])
    attacked = _attacked(spec["attempts"], artefacts, budget)
    table = None if spec["table"] is None else artefacts.table(spec["table"], dtype=NAMES | {"seed": str})
    right = {key: worst_case([one.outcomes["right"] for one in tried]) for key, tried in attacked.items()}
    # Attacks on different images have no worst case.
    attacked = {key: tried for key, tried in attacked.items() if len(right[key])}
    if not attacked:
        return Board(spec["title"], spec["dataset"], "", budget is not None, 0)
    images = in_common([right[key].to_frame() for key in attacked])
    compared = [right[key].loc[images].to_numpy() for key in attacked]
    order = sorted(range(len(compared)), key=lambda index: -int(compared[index].sum()))
    different = {pair for pair, p_value in compare_all(compared).items() if p_value < SIGNIFICANT}
    letters = compact_letters(order, different)
    several_seeds = len({cell["seed"] for cell in spec["attempts"]}) > 1
    standings = []
    for (key, tried), marks, common in zip(attacked.items(), letters, compared, strict=True):
        victim = dict(zip(VICTIM, key, strict=True))
        clean, worst, kept, warnings = _rates(tried, right[key]) if table is None else _stated(victim, table)
        standings.append(
            Standing(
                name=victim_name(victim, several_seeds=several_seeds),
                cell=victim,
                clean=clean,
                worst=worst,
                compared=Rate.of(int(common.sum()), len(common)),
                kept=kept,
                rank=0,
                letters=marks,
                differs=False,
                hardest=_hardest(tried, images),
                images=to_attacks(victim, (one.cell["attack"] for one in tried), budget),
                warnings=warnings,
                examples=_examples(tried, budget, is_shown, artefacts),
            )
        )
    places = ranks([int(one.sum()) for one in compared])
    first = [index for index, place in enumerate(places) if place == 1]
    ranked = [
        replace(one, rank=place, differs=all((min(index, best), max(index, best)) in different for best in first))
        for index, (one, place) in enumerate(zip(standings, places, strict=True))
    ]
    ranked.sort(key=lambda one: one.rank)
    threat = ANY_SIZE if budget is None else ball_in_words(spec["norm"], spec["epsilon"])
    return Board(spec["title"], spec["dataset"], threat, budget is not None, len(images), ranked)


@dataclass(frozen=True)
class Tried:
    """One attack on a victim: its cell, its records, and its outcomes within the budget."""

    cell: Cell
    records: pd.DataFrame
    outcomes: pd.DataFrame


def _attacked(cells: Sequence[Cell], artefacts: Artefacts, budget: Budget | None) -> dict[tuple[Any, ...], list[Tried]]:
    """Return what was tried on each victim. An attack that made no image, for want of a gradient, is left out."""
    found: dict[tuple[Any, ...], list[Tried]] = {}
    for cell in cells:
        tried = found.setdefault(tuple(cell[key] for key in VICTIM), [])
        if cell["attack"] in artefacts.attacks(cell):
            records = artefacts.records(cell)
            tried.append(Tried(cell, records, outcomes(records, budget, cell.get("epsilon_norm"))))
    return {key: tried for key, tried in found.items() if tried}


# Clean and worst-case accuracy, the part that is kept, and warnings.
Numbers = tuple[Rate, Rate, float, list[str]]


def _rates(tried: Sequence[Tried], right: pd.Series) -> Numbers:
    largest = max((one.outcomes for one in tried), key=len)
    clean = Rate.of(int(largest["clean"].sum()), len(largest))
    before = int(largest["clean"].loc[right.index].sum())
    return clean, Rate.of(int(right.sum()), len(right)), float(right.sum()) / before if before else 0.0, []


def _stated(victim: Cell, table: pd.DataFrame) -> Numbers:
    """Return what the study's own table says, so that the page says the same thing everywhere."""
    rows = table[
        (table["model"] == victim["model"])
        & (table["defense"] == victim["defense"])
        & (table["seed"] == str(victim["seed"]))
    ]
    column = "attack" if "attack" in table else "against"
    clean, worst = (rows[rows[column] == name].iloc[0] for name in (CLEAN, WORST))
    # Without a column `fooled`, both rows are on the same images.
    kept = 1 - worst["fooled"] if "fooled" in rows else worst["accuracy"] / (clean["accuracy"] or 1)
    kept = 0.0 if pd.isna(kept) else float(kept)  # no image was classified correctly
    return _rate(clean), _rate(worst), kept, _warnings(rows) if "warnings" in rows else []


def _warnings(rows: pd.DataFrame) -> list[str]:
    """Return each warning once, followed by the attacks that it concerns unless it concerns the answer itself."""
    found: dict[str, list[str]] = {}
    for attack, warning in zip(rows["attack"], rows["warnings"], strict=True):
        if isinstance(warning, str) and warning:
            found.setdefault(warning, []).append(attack)
    return [
        warning if {CLEAN, WORST} & set(attacks) else f"{warning} ({', '.join(attacks)})"
        for warning, attacks in found.items()
    ]


def _rate(row: pd.Series) -> Rate:
    return Rate(float(row["accuracy"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _hardest(tried: Sequence[Tried], images: pd.Index) -> str:
    """Return the attack that leaves the least accuracy on these images, or several; without images, on its own ones."""
    right = [one.outcomes["right"] for one in tried]
    left = {
        attack_name(one.cell): (found.loc[images] if len(images) else found).mean()
        for one, found in zip(tried, right, strict=True)
    }
    return listed([name for name, accuracy in left.items() if accuracy == min(left.values())])


def attack_name(cell: Cell) -> str:
    made_elsewhere = f" made on {cell['source']}" if cell.get("source") else ""
    return f"{shown_attack(cell['attack'])}{made_elsewhere}"


def _examples(tried: Sequence[Tried], budget: Budget | None, is_shown: IsShown, artefacts: Artefacts) -> list[Example]:
    """Choose eight of the images that the page stores: fooled ones first, of different classes."""
    attacks = [one for one in tried if shown_attack(one.cell["attack"]) not in CONTROLS] or tried
    cells = {attack_name(one.cell): one.cell for one in attacks}
    norms = {attack_name(one.cell): one.cell.get("epsilon_norm") for one in attacks}
    records = {}
    for one in attacks:
        stored = [row for row in range(len(one.records)) if is_shown(one.cell, row)]
        if stored:
            records[attack_name(one.cell)] = one.records.iloc[stored].assign(row=stored)
    return [
        _example(cells[name], name, records[name].iloc[place], artefacts.class_names(cells[name]))
        for name, place in choose(records, budget, norms)
    ]


def _example(cell: Cell, attack: str, record: pd.Series, names: Sequence[str]) -> Example:
    return Example(
        cell=cell,
        row=int(record["row"]),
        index=int(record["index"]),
        label=names[int(record["label"])],
        before=names[int(record["clean_prediction"])],
        before_confidence=float(record["clean_confidence"]),
        after=names[int(record["prediction"])],
        after_confidence=float(record["confidence"]),
        attack=attack,
        linf=float(record["linf"]),
    )


def verdict(one: Board) -> str:
    """Say in one sentence which victim is the most robust, and how far that goes."""
    best, *others = one.standings
    where = f"On {one.dataset}, {f'within {one.threat}' if one.bounded else 'under all attacks of this run'},"
    if not others:
        return f"{where} {best.name} {_keeps(one)}."
    count = 1 + len(others)
    if best.kept < LITTLE:
        none = "neither victim" if count == 2 else f"none of {count} victims"
        return (
            f"{where} {none} is robust: the accuracy of the best one falls from {_percent(best.clean.value)} to "
            f"{_percent(best.worst.value)}."
        )
    tied = [other.name for other in others if other.rank == best.rank]
    if tied:
        everyone = "both victims" if count == 2 else f"all {count} victims"
        first = everyone if len(tied) == len(others) else listed([best.name, *tied])
        highest = _percent(best.compared.value)
        if any(victim.worst.n != best.compared.n for victim in one.standings):
            highest += f" of the {one.compared:,} images that every attack tried"
        return f"{where} {first} share the highest worst-case accuracy, {highest}{_compared(one)}."
    # Only a test of the difference makes the first one the most robust.
    first_of = "is the most robust" if all(other.differs for other in others) else "has the highest worst-case accuracy"
    same = all(victim.worst.n == best.compared.n for victim in one.standings)
    on = "" if same else f", on the {one.compared:,} images that every attack tried"
    return f"{where} {best.name} {first_of} of {count} victims{on}: it {_keeps(one)}{_compared(one)}."


def _compared(one: Board) -> str:
    """Say which victims do not differ significantly from the best one. Its equals have been named."""
    best, *others = one.standings
    below = [other for other in others if other.rank != best.rank]
    alike = [other.name for other in below if not other.differs]
    if not below:
        return ""
    if not alike:
        return "; the others are significantly less robust"
    if len(alike) == len(below):
        return "; the others do not differ significantly"
    return f"; {listed(alike)} {'do' if len(alike) > 1 else 'does'} not differ significantly"


def _keeps(board: Board) -> str:
    """Say what the worst case leaves of the clean accuracy of the best victim."""
    one = board.standings[0]
    words = next(words for limit, words in KEPT if one.kept < limit)
    if board.bounded:  # otherwise, the sentence has said so
        words += " under attack"
    worst, clean = (
        _percent(rate.value) if one.worst.n == one.clean.n else f"{_percent(rate.value)} of {rate.n:,} images"
        for rate in (one.worst, one.clean)
    )
    return f"{words}: {worst} instead of {clean}"


def _percent(value: float) -> str:
    return f"{percent(value, 1)}\u00a0%"
