"""The leaderboard: every victim of a board under every attack, and under the worst of them on each image."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.statistics.attempts import Attempt, load_attempts, short_names
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.groups import Pair, compare_all
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import SIGNIFICANT
from foolflow.statistics.robustness import counting_epsilon, in_common, outcomes, ranks, worst_case
from foolflow.statistics.summary import CLEAN, WORST
from foolflow.tables.letters import LETTERS, MEANING, lettered, versus
from foolflow.tables.links import Link, links, to_attacks, to_images, to_victim
from foolflow.tables.over_seeds import MEAN, rate_text, spread_text
from foolflow.tables.wording import counted, listed, tied_rate
from foolflow.tables.writing import Table, p_text, percent, without_empty_columns

MOST_PAIRS = 10  # that a finding names
FEWEST = 3  # victims at zero that a finding describes as one group


@dataclass(frozen=True)
class Board:
    """budget: larger perturbations do not count as successes; None: no limit."""

    name: str
    dataset: str
    budget: Budget | None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> "Board":
        """Return the board of a config entry. entry: has `name`, `dataset` and optionally `norm` and `epsilon`."""
        budget = Budget(entry["norm"], entry["epsilon"]) if "norm" in entry else None
        return cls(entry["name"], entry["dataset"], budget)

    @property
    def threat(self) -> str:
        if self.budget is None:
            return "perturbations of any size"
        return f"within {ball_in_words(self.budget.norm, self.budget.epsilon)}"


@dataclass(frozen=True)
class Standing:
    """One victim on the images that all attacks of its board have in common. images: their indices in the test split.

    clean: bool (N,).  right: bool (N,) by name of the column: each attack, and `worst case`.
    tried: the attempts behind each column, each with its outcomes.
    """

    model: str
    defense: str
    seed: int
    images: pd.Index
    clean: np.ndarray
    right: dict[str, np.ndarray]
    tried: dict[str, list[tuple[Attempt, pd.DataFrame]]]

    @property
    def victim(self) -> tuple[str, str]:
        return self.model, self.defense

    @property
    def robust(self) -> np.ndarray:
        return self.right[WORST]

    @property
    def name(self) -> str:
        """The victim with its seed, as in a path."""
        return f"{self.model}/{self.defense}/{self.seed}"

    def columns(self) -> dict[str, np.ndarray]:
        return {CLEAN: self.clean, **self.right}


def column_of(attempt: Attempt) -> str:
    """Return the column of an attempt. Sets that were made on other victims share one column per attack."""
    return attempt.attack if attempt.source is None else f"{attempt.attack}, transferred"


def standings(board: Board, attempts: Sequence[Attempt]) -> list[Standing]:
    """Return one standing per victim and seed, in order of first appearance.

    Raises InvalidInput if the attacks of the board have no image in common.
    """
    judged = [(attempt, outcomes(attempt.records, board.budget, attempt.epsilon_norm)) for attempt in attempts]
    images = in_common([found for _, found in judged])
    if images.empty:
        raise InvalidInput(f"board {board.name}: its attacks have no image in common")
    of_victims: dict[tuple[str, str, int], dict[str, list[tuple[Attempt, pd.DataFrame]]]] = {}
    for attempt, found in judged:
        columns = of_victims.setdefault((attempt.model, attempt.defense, attempt.seed), {})
        columns.setdefault(column_of(attempt), []).append((attempt, found.loc[images]))
    return [_standing(*key, images, tried) for key, tried in of_victims.items()]


def _standing(
    model: str, defense: str, seed: int, images: pd.Index, tried: dict[str, list[tuple[Attempt, pd.DataFrame]]]
) -> Standing:
    by_image = {name: worst_case([found["right"] for _, found in column]) for name, column in tried.items()}
    by_image[WORST] = worst_case(list(by_image.values()))
    right = {name: column.to_numpy() for name, column in by_image.items()}
    everything = [one for column in tried.values() for one in column]
    clean = everything[0][1]["clean"].to_numpy()
    return Standing(model, defense, seed, images, clean, right, {**tried, WORST: everything})


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: board with name, dataset and optionally norm and epsilon; attempts, a list of cells."""
    return tabulate(Board.from_entry(spec["board"]), load_attempts(spec["attempts"], artefacts))


def tabulate(board: Board, attempts: Sequence[Attempt]) -> Table:
    """Build the table. Its CSV has a row for each victim, seed and column; with several seeds, also for their mean."""
    found = standings(board, attempts)
    several_seeds = len({standing.seed for standing in found}) > 1
    tests = compare_all([standing.robust for standing in found])
    data = _ranked(pd.DataFrame([row for standing in found for row in _rows(board, standing)]), found, tests)
    if several_seeds:
        data = pd.concat([_means(data), data])
    data = _in_order(data, found)
    display = _display(data, several_seeds)
    return Table(
        title=f"Leaderboard {board.name}: {board.dataset}, {board.threat}",
        data=data,
        display=display,
        findings=list(_findings(data, found, tests)),
        # Under a single attack, a defense that masks its gradient would win.
        best=dict.fromkeys([f"{CLEAN} %", f"{WORST} %"], "highest"),
        best_within=["seed"],
        images=links(display, _links(board, data, found)),
        notes=_notes(board, data, found, several_seeds),
    )


def _rows(board: Board, standing: Standing) -> list[dict[str, Any]]:
    return [
        {
            "board": board.name,
            "dataset": board.dataset,
            "model": standing.model,
            "defense": standing.defense,
            "seed": str(standing.seed),
            "against": name,
            "n": len(right),
            "right": int(right.sum()),
            "accuracy": right.mean(),
            **dict(zip(("low", "high"), wilson_interval(int(right.sum()), len(right)), strict=True)),
        }
        for name, right in standing.columns().items()
    ]


def _ranked(data: pd.DataFrame, found: Sequence[Standing], tests: Mapping[Pair, float]) -> pd.DataFrame:
    """Add each victim's rank within its seed and, in its worst-case row, its letters and its tests.

    tests: the corrected p-values of all pairs of victims.
    """
    rank: dict[str, int] = {}
    for seed in dict.fromkeys(standing.seed for standing in found):
        of_seed = [standing for standing in found if standing.seed == seed]
        scores = ranks([standing.robust.sum() for standing in of_seed])
        rank |= {one.name: score for one, score in zip(of_seed, scores, strict=True)}
    order = sorted(range(len(found)), key=lambda index: -int(found[index].robust.sum()))
    victims = [standing.name for standing in found]
    tested = lettered(victims, order, tests).assign(name=victims, against=WORST)
    names = [f"{model}/{defense}/{seed}" for model, defense, seed in _victims(data)]
    ranked = data.assign(sd=np.nan, rank=[rank[name] for name in names], name=names)
    ranked = ranked.merge(tested, how="left", on=["name", "against"]).drop(columns="name")
    return ranked.assign(**{LETTERS: ranked[LETTERS].fillna("")})


def _victims(data: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(data[["model", "defense", "seed"]].itertuples(index=False, name=None))


def _means(data: pd.DataFrame) -> pd.DataFrame:
    """Return the means over the seeds, ranked by the mean worst case."""
    keys = ["board", "dataset", "model", "defense", "against"]
    table = data.groupby(keys, sort=False, as_index=False).agg(
        n=("n", "first"), sd=("accuracy", "std"), accuracy=("accuracy", "mean")
    )
    worst = table[table["against"] == WORST]
    scores = worst["accuracy"].round(12).tolist()  # equal means may differ in their last bits
    rank = dict(zip(zip(worst["model"], worst["defense"], strict=True), ranks(scores), strict=True))
    return table.assign(
        seed=MEAN, letters="", rank=[rank[victim] for victim in zip(table["model"], table["defense"], strict=True)]
    )


def _in_order(data: pd.DataFrame, found: Sequence[Standing]) -> pd.DataFrame:
    """Sort by victim in order of rank (with several seeds, that of the mean), then mean before seeds, then column."""
    leading = data[data["seed"] == data["seed"].iloc[0]]
    rank = dict(zip(zip(leading["model"], leading["defense"], strict=True), leading["rank"], strict=True))
    victims = list(dict.fromkeys(standing.victim for standing in found))
    victims.sort(key=lambda victim: rank[victim])
    seeds = [MEAN, *dict.fromkeys(str(standing.seed) for standing in found)]
    columns = columns_of(data)
    positions = [
        (victims.index((model, defense)), seeds.index(seed), columns.index(against))
        for model, defense, seed, against in data[["model", "defense", "seed", "against"]].to_numpy().tolist()
    ]
    order = sorted(range(len(positions)), key=positions.__getitem__)
    names = ["board", "dataset", "model", "defense", "seed", "against", "n", "right", "accuracy", "low", "high", "sd"]
    ordered = data.iloc[order].reset_index(drop=True)
    ordered["right"] = ordered["right"].astype("Int64")
    p_values = [name for name in (versus(standing.name) for standing in found) if name in ordered]
    return ordered[[*names, "rank", LETTERS, *p_values]]


def columns_of(data: pd.DataFrame) -> list[str]:
    """Return the columns in order: `clean`, `worst case`, the attacks, the transferred attacks.

    Not every victim has all of them.
    """
    attacks = [name for name in dict.fromkeys(data["against"]) if name not in (CLEAN, WORST)]
    return [CLEAN, WORST, *sorted(attacks, key=lambda name: name.endswith(", transferred"))]


def _display(data: pd.DataFrame, several_seeds: bool) -> pd.DataFrame:
    columns = columns_of(data)
    rows = []
    for (model, defense, seed), table in data.groupby(["model", "defense", "seed"], sort=False):
        cells = {cell["against"]: cell for _, cell in table.iterrows()}
        worst = cells[WORST]
        rows.append(
            {
                "rank": str(worst["rank"]),
                "model": model,
                "defense": defense,
                **({"seed": seed} if several_seeds else {}),
                "n": f"{worst['n']:,}",
                **{f"{name} %": rate_text(cells[name], "accuracy") if name in cells else "" for name in columns},
                LETTERS: worst[LETTERS],
            }
        )
    return without_empty_columns(pd.DataFrame(rows))


def _links(board: Board, data: pd.DataFrame, found: Sequence[Standing]) -> list[dict[str, Link]]:
    """Return the links of each row, in the order of the display. Means over seeds have none."""
    by_victim = {(one.model, one.defense, str(one.seed)): one for one in found}
    rows = []
    for model, defense, seed in data[["model", "defense", "seed"]].drop_duplicates().itertuples(index=False):
        standing = by_victim.get((model, defense, seed))
        rows.append({} if standing is None else _links_of(board, standing))
    return rows


def _links_of(board: Board, standing: Standing) -> dict[str, Link]:
    """Return the links of a victim. A column that covers several sets leads to all of them."""
    cell = {"dataset": board.dataset, **vars(standing)}
    victim = to_victim(cell)
    found = {"n": victim, f"{CLEAN} %": victim}
    for name, tried in standing.tried.items():
        (attempt, _), *more = tried
        found[f"{name} %"] = (
            to_attacks(cell, (one.attack for one, _ in tried), board.budget)
            if more or name == WORST
            else to_images(
                cell,
                attempt.attack,
                source=attempt.source,
                epsilon=counting_epsilon(attempt.records, board.budget, attempt.epsilon_norm),
                budget=board.budget,
            )
        )
    return found


def _findings(data: pd.DataFrame, found: Sequence[Standing], tests: Mapping[Pair, float]) -> Iterator[str]:
    """Say who is first, whether the next victim differs significantly, and which victims do not differ."""
    several_seeds = len({standing.seed for standing in found}) > 1
    names = victim_names(data)
    worst = data[data["against"] == WORST]
    ranked = worst[worst["seed"] == MEAN] if several_seeds else worst
    first, later = ranked[ranked["rank"] == 1], ranked[ranked["rank"] > 1]

    def rate(rows: pd.DataFrame) -> str:
        if not several_seeds:
            return tied_rate(rows, "accuracy")
        mean = rows["accuracy"].iloc[0]
        texts = dict.fromkeys(spread_text(mean, deviation, 1) for deviation in rows["sd"])
        # Victims that share a mean may vary differently.
        return f"{next(iter(texts)) if len(texts) == 1 else percent(mean, 1)} % (mean over the seeds)"

    def name(row: pd.Series) -> str:
        return names[f"{row['model']}/{row['defense']}"]

    def names_of(rows: pd.DataFrame) -> str:
        return listed([name(row) for _, row in rows.iterrows()])

    def victims(rows: pd.DataFrame) -> list[tuple[str, str]]:
        return [(row["model"], row["defense"]) for _, row in rows.iterrows()]

    leaders = names_of(first)
    top = rate(first)
    if len(ranked) == 1:
        yield f"{leaders} is the only victim; its worst-case accuracy is {top}."
        return
    if len(first) > 1:
        yield f"{leaders} share first place, with a worst-case accuracy of {top}."
    else:
        yield f"{leaders} is first, with a worst-case accuracy of {top}."
    if len(later):
        second = later[later["rank"] == later["rank"].min()]
        verb = "is" if len(second) == 1 else "are"
        compared = _versus(victims(first), victims(second), found, tests)
        yield f"Next {verb} {names_of(second)}, with {rate(second)}: {compared}."
    yield from _alike(found, names, tests)


def _versus(
    above: Sequence[tuple[str, str]],
    below: Sequence[tuple[str, str]],
    found: Sequence[Standing],
    tests: Mapping[Pair, float],
) -> str:
    """Say whether all victims in the first place differ significantly from all in the next one, seed by seed."""
    places = {(*standing.victim, standing.seed): index for index, standing in enumerate(found)}
    by_seed = []
    for seed in dict.fromkeys(standing.seed for standing in found):
        upper, lower = ([places[*one, seed] for one in some if (*one, seed) in places] for some in (above, below))
        if pairs := [(min(one, other), max(one, other)) for one in upper for other in lower]:
            by_seed.append([tests[pair] for pair in pairs])
    if not by_seed:
        return "they have no seed in common"
    p_values = [p_value for of_seed in by_seed for p_value in of_seed]
    single = len(above) == len(below) == 1
    test = f"exact McNemar test{'' if single else 's'}, {'Holm' if len(p_values) == 1 else 'largest Holm'}-corrected p"
    largest = f"({test} {p_text(max(p_values))})"
    if len(by_seed) > 1:
        significant = sum(max(of_seed) < SIGNIFICANT for of_seed in by_seed)
        verb = "difference is" if single else "differences are all"
        return f"the {verb} significant for {significant} of {counted(len(by_seed), 'seed')} {largest}"
    significant = sum(p_value < SIGNIFICANT for p_value in p_values)
    if significant == 0:
        return f"no significant difference {largest}"
    if significant < len(p_values):
        return f"{significant} of {len(p_values)} pairs differ significantly {largest}"
    return f"{'a significant difference' if single else 'the differences are significant'} {largest}"


def _alike(found: Sequence[Standing], names: Mapping[str, str], tests: Mapping[Pair, float]) -> Iterator[str]:
    """Count the pairs that differ, and name the others if they are few. Victims at zero are described as one group."""
    several_seeds = len({standing.seed for standing in found}) > 1
    labels = [
        names["/".join(standing.victim)] + (f" (seed {standing.seed})" if several_seeds else "") for standing in found
    ]
    order = sorted(range(len(found)), key=lambda index: -int(found[index].robust.sum()))
    alike = [pair for pair in combinations(order, 2) if tests[min(pair), max(pair)] >= SIGNIFICANT]
    if not alike:
        yield "All pairs of victims differ significantly at 5 %."
        return
    fallen = [index for index in order if not found[index].robust.any()]
    if len(fallen) < FEWEST:
        fallen = []
    # These are right on the same images, on none, so a victim does not differ from all of them or from none.
    together = f"any two of the {len(fallen)} victims at zero" if fallen else ""
    pairs = Counter(
        f"{labels[upper]} and {f'each of these {len(fallen)}' if lower in fallen else labels[lower]}"
        for upper, lower in alike
        if upper not in fallen
    )
    others = sum(list(pairs.values())[MOST_PAIRS:])
    rest = f", {counted(others, 'other pair')} (see the letters)" if others else ""
    named = "; ".join(filter(None, [together, *list(pairs)[:MOST_PAIRS]]))
    different = f"{len(tests) - len(alike):,} of {len(tests):,} pairs of victims differ significantly at 5 %. "
    yield f"{different if len(tests) > 1 else ''}No significant difference: {named}{rest}."


def victim_names(data: pd.DataFrame) -> dict[str, str]:
    """Return a short name of each victim of a board, by model/defense."""
    return short_names(list(dict.fromkeys(data["model"] + "/" + data["defense"])))


def _notes(board: Board, data: pd.DataFrame, found: Sequence[Standing], several_seeds: bool) -> list[str]:
    counts = "Perturbations of any size count."
    if board.budget is not None:
        counts = (
            f"Only a perturbation {board.threat} counts as a success; of an attack with several epsilons, the largest "
            "within that budget is used or, if they are of another norm, the worst of them on each image."
        )
    notes = [
        f"Accuracy on the {data['n'].iloc[0]:,} test images that all attacks of the board have in common, with "
        "Wilson's 95 % intervals. An image counts as right under an attack if the victim classifies it correctly "
        "both clean and attacked, and in the worst case if it does so under every attack of the board. This is an "
        f"upper bound on the accuracy under a stronger attacker. {counts}",
    ]
    if any(name.endswith(", transferred") for name in data["against"]):
        sources = {attempt.source for standing in found for attempt, _ in standing.tried[WORST]}
        own = {"/".join(standing.victim) for standing in found}
        fewer = (
            " A victim that is itself a source has fewer sets in its worst case, since its own images are not "
            "transferred to it."
            if sources & own and own - sources
            else ""
        )
        notes.append(
            f"Transferred: made on other victims, without access to this one; the worst of them on each image.{fewer}"
        )
    if several_seeds:
        notes.append(
            "Each victim was trained once per seed: mean ± sample standard deviation. The means are ranked, and the "
            "victims of each seed are ranked separately."
        )
    victims = len(found)
    if victims > 1:
        tests = victims * (victims - 1) // 2
        trained = (
            ""
            if several_seeds
            else " Each victim has one training seed: the tests are about these trained networks, and after another "
            "training the ranks may differ."
        )
        notes.append(
            f"Rank: by the worst case; ties share a rank. Letters: every pair of the board's {victims} victims was "
            f"compared in the worst case, image by image ({counted(tests, 'exact McNemar test')}, one family, "
            f"corrected after Holm). {MEANING} The CSV has every corrected p-value.{trained}"
        )
    return notes
