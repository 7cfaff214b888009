"""R2's table: the smallest perturbations that each attack finds on each network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.statistics.attempts import right_before
from foolflow.statistics.intervals import median_interval, wilson_interval
from foolflow.statistics.minimal import distances, nearest, quantile
from foolflow.statistics.paired import SIGNIFICANT, DistanceComparison, compare_distances, holm
from foolflow.tables.letters import LETTERS, MEANING, lettered, versus
from foolflow.tables.links import Link, Row, links, to_images
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.wording import NORMS, counted, listed, span
from foolflow.tables.writing import Table, percent, percent_intervals

# Distances that differ by less than this fraction are considered equal.
EQUAL = 0.01
MEDIAN_INTERVAL = "95 % interval (median)"
VICTIM_KEYS = ["dataset", "model", "defense", "seed"]


@dataclass(frozen=True)
class Attacked:
    """One attack on one victim. records: those of the attack."""

    dataset: str
    model: str
    seed: int
    attack: str
    records: pd.DataFrame
    defense: str = "none"


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: attacked, a list of cells, grouped by victim; norm: of the distances; title: nothing for the default.
    """
    attacked = [
        Attacked(
            **{key: cell[key] for key in ("dataset", "model", "seed", "attack", "defense")},
            records=artefacts.records(cell),
        )
        for cell in spec["attacked"]
    ]
    return tabulate(attacked, spec["norm"], spec["title"])


def tabulate(attacked: Sequence[Attacked], norm: str = "l2", title: str | None = None) -> Table:
    victims: dict[tuple, list[Attacked]] = {}
    for one in attacked:
        victims.setdefault((one.dataset, one.model, one.defense, one.seed), []).append(one)
    tests = [_compare(attacks, norm) for attacks in victims.values()]
    shown_norm = NORMS[norm]
    adjusted = iter(holm([test.p_value for found in tests for test in found.values()]))
    data = pd.concat(
        [
            _rows(attacks, norm, {pair: Tested(test, next(adjusted)) for pair, test in found.items()})
            for attacks, found in zip(victims.values(), tests, strict=True)
        ],
        ignore_index=True,
    )
    data = with_spread(data, ("dataset", "model", "defense", "attack"), f"median_{norm}")
    protected = _next_to_undefended(victims, norm)
    data = data.merge(protected, "left", VICTIM_KEYS) if len(protected) else data
    counted_tests = sum(map(len, tests))
    display = _display(data, norm)
    in_order = [one for attacks in victims.values() for one in attacks]
    shown = [_links(one, norm, row) for one, row in zip(in_order, data.to_dict("records"), strict=True)]
    return Table(
        title=title or f"Minimal perturbations on {', '.join(data['dataset'].unique())}",
        data=data,
        display=display,
        findings=[*_findings(data, norm), *_of_defenses(protected, norm)],
        best={
            "success %": "highest",
            f"median {shown_norm}": "lowest",
            "shortest %": "highest",
            "missed": "lowest",
            "gradients": "lowest",
        },
        best_within=["data set", "model", "defense", "seed"],
        images=links(display, shown),
        notes=[
            f"n: the attacked images that the network classifies correctly when clean. {shown_norm} in pixel units, "
            "where black is 0 and white is 1. An image that is not fooled has infinite distance in the median and the "
            "quantiles (∞: too few images were fooled). A quantile is the smallest distance that suffices for that "
            "share of the images, so the median of an even number is the lower of the two in the middle. The mean is "
            "over the fooled images only. The intervals of success are Wilson's; those of the median come from the "
            "order statistics, without assuming a distribution.",
            *_tests_note(counted_tests, len(tests)),
            *spread_note(data),
            "Ratio to best: the median divided by the smallest median of any attack on that network. Shortest: the "
            "percentage of the n images that the attack fools with a perturbation at most "
            f"{100 * EQUAL:.0f} % longer than the shortest that any attack finds. Missed: images that another attack "
            "fools and this one does not. Gradients: gradient evaluations per image.",
        ],
    )


@dataclass(frozen=True)
class Tested:
    """The test of a pair of attacks on one network. p_holm: corrected over all tests of the table."""

    test: DistanceComparison
    p_holm: float

    @property
    def is_significant(self) -> bool:
        return self.p_holm < SIGNIFICANT


def _compare(attacks: Sequence[Attacked], norm: str) -> dict[tuple[int, int], DistanceComparison]:
    """Compare all pairs of attacks on one network, on the images that both attacked and that were right when clean."""
    found = [_distances_of_right(one, norm) for one in attacks]
    pairs = {}
    for pair in combinations(range(len(found)), 2):
        one, other = (found[index] for index in pair)
        both = one.index.intersection(other.index)
        pairs[pair] = compare_distances(one[both].to_numpy(), other[both].to_numpy())
    return pairs


def _distances_of_right(one: Attacked, norm: str) -> pd.Series:
    return distances(one.records[right_before(one.records)], norm)


def _rows(attacks: Sequence[Attacked], norm: str, tests: Mapping[tuple[int, int], Tested]) -> pd.DataFrame:
    """Return one row per attack on one victim. tests: of all pairs of attacks."""
    shortest = nearest([distances(one.records, norm) for one in attacks])
    table = pd.DataFrame([_row(one, norm, shortest) for one in attacks])
    table["to_best"] = table[f"median_{norm}"] / table[f"median_{norm}"].min()
    table["beats"], lost = np.transpose([_won_and_lost(index, tests) for index in range(len(attacks))])
    # The letters say what the tests say. An attack may be shorter on most images and have the longer median.
    score = pd.DataFrame({"worse": lost - table["beats"], "median": table[f"median_{norm}"].fillna(np.inf)})
    order = score.sort_values(["worse", "median"], kind="stable").index.tolist()
    names = [one.attack for one in attacks]
    return table.join(lettered(names, order, {pair: tested.p_holm for pair, tested in tests.items()}))


def _won_and_lost(index: int, tests: Mapping[tuple[int, int], Tested]) -> tuple[int, int]:
    """Count the attacks of the network whose distances are significantly longer, and those that are shorter."""
    ahead = [
        tested.test.first_is_shorter == (pair[0] == index)
        for pair, tested in tests.items()
        if index in pair and tested.is_significant
    ]
    return sum(ahead), len(ahead) - sum(ahead)


def _tests_note(tests: int, networks: int) -> list[str]:
    if not tests:
        return []
    return [
        "Letters: on each network, every pair of attacks was compared image by image "
        f"({counted(tests, 'Wilcoxon signed-rank test')} on {counted(networks, 'network')}, one family, corrected "
        f"after Holm). {MEANING} Letters are given in the order of tests won less tests lost, so the first need not go "
        "to the smallest median.",
        "In these tests, a failure is longer than any distance; all differences between a failure and a success share "
        "the highest rank. Images on which two attacks are equal, such as two failures, are left out of their test.",
    ]


def _row(one: Attacked, norm: str, shortest: pd.Series) -> dict[str, Any]:
    right = one.records[right_before(one.records)]
    distance = _distances_of_right(one, norm)
    median_low, median_high = median_interval(distance.to_numpy())
    best = shortest[distance.index]
    fooled = np.isfinite(distance)
    low, high = wilson_interval(int(fooled.sum()), len(distance))
    return {
        "dataset": one.dataset,
        "model": one.model,
        "defense": one.defense,
        "seed": one.seed,
        "attack": one.attack,
        "clean": len(right) / len(one.records),
        "n": len(distance),
        "fooled": int(fooled.sum()),
        "success": fooled.mean(),
        "low": low,
        "high": high,
        f"median_{norm}": quantile(distance, 0.5),
        "median_low": median_low,
        "median_high": median_high,
        f"mean_{norm}": distance[fooled].mean(),
        f"q05_{norm}": quantile(distance, 0.05),
        f"q95_{norm}": quantile(distance, 0.95),
        "shortest": (fooled & (distance <= (1 + EQUAL) * best)).mean(),
        "missed": int((~fooled & np.isfinite(best)).sum()),
        "gradient_evaluations": right["gradient_evaluations"].mean(),
    }


def _links(one: Attacked, norm: str, row: Row) -> dict[str, Link]:
    cell = vars(one)
    made = to_images(cell)
    fooled = to_images(cell, outcome="fooled") if row["fooled"] else made
    missed = to_images(cell, outcome="resisted") if row["missed"] else made
    columns = (
        "n",
        "success %",
        "95 % interval",
        f"median {NORMS[norm]}",
        MEDIAN_INTERVAL,
        "ratio to best",
        "5 %",
        "95 %",
        "shortest %",
        "gradients",
    )
    return {**dict.fromkeys(columns, made), f"mean {NORMS[norm]}": fooled, "missed": missed}


def _findings(data: pd.DataFrame, norm: str) -> Iterator[str]:
    """Say which attack finds the smallest median on how many networks, and which attacks miss images."""
    median = f"median_{norm}"
    networks = [rows.dropna(subset=median) for _, rows in data.groupby(VICTIM_KEYS, sort=False)]
    networks = [rows for rows in networks if len(rows)]
    fooled = [rows for rows in networks if np.isfinite(rows[median].min())]
    if len(fooled) < len(networks):
        where = f"{len(networks) - len(fooled)} of {counted(len(networks), 'network')}"
        yield f"On {where}, no attack fools half of the images, so no median distance is finite."
    if data["attack"].nunique() > 1:
        yield from _shortest(fooled, norm)
    elif fooled:
        medians = span([rows[median].min() for rows in fooled], _distance)
        yield f"{data['attack'].iloc[0]} is the only attack; its median {NORMS[norm]} distance is {medians}."
    missed = data[data["missed"] > 0].groupby("attack", sort=False)["missed"].sum()
    if len(missed):
        each = [f"{attack} {count:,}" for attack, count in missed.items()]
        yield f"Images that another attack fools on the same network, but not this one: {', '.join(each)}."


def _shortest(networks: Sequence[pd.DataFrame], norm: str) -> Iterator[str]:
    """Say on how many networks each attack is significantly shorter than all others. networks: the rows of each.

    Where the smallest median is not, say which attacks it does not differ from.
    """
    median = f"median_{norm}"
    compared = [rows for rows in networks if len(rows) > 1]
    wins: dict[str, list[pd.DataFrame]] = {}
    undecided = []
    for rows in compared:
        best = rows[rows["beats"] == len(rows) - 1]
        if best.empty:
            undecided.append(rows)
        else:
            wins.setdefault(best["attack"].iloc[0], []).append(rows)
    of = counted(len(compared), "network")
    for attack, won in sorted(wins.items(), key=lambda item: -len(item[1])):
        own = pd.concat([rows[rows["attack"] == attack] for rows in won])
        next_ones = pd.concat([rows[rows["attack"] != attack].nsmallest(1, median) for rows in won])
        images = span(own["n"].tolist(), "{:,}".format)
        yield (
            f"Image by image, {attack} finds significantly shorter perturbations than every other attack on "
            f"{len(won)} of {of}; its median {NORMS[norm]} distance is {span(own[median].tolist(), _distance)}, that "
            f"of the next, {listed(list(next_ones['attack'].unique()))}, {span(next_ones[median].tolist(), _distance)}."
        )
        yield (
            f"On {'that network' if len(won) == 1 else 'these networks'}, it fools "
            f"{span(own['shortest'].tolist(), lambda share: percent(share, 1))} % of the {images} images with a "
            f"perturbation at most {100 * EQUAL:.0f} % longer than the shortest that any attack finds."
        )
    for rows in undecided:
        yield _undecided(rows, median)


def _undecided(rows: pd.DataFrame, median: str) -> str:
    """Say which attacks do not differ significantly from the one with the smallest median on a network."""
    first = rows.iloc[rows[median].argmin()]
    others = rows[rows["attack"] != first["attack"]]
    alike = others[others[versus(first["attack"])] >= SIGNIFICANT]["attack"].tolist()
    words = (
        "no attack finds significantly shorter perturbations than all others; "
        f"{first['attack']} has the smallest median"
    )
    where = f"On {_victim(first['model'], first['defense'])} ({first['dataset']}, seed {first['seed']})"
    same = f", and does not differ significantly from {listed(alike)}" if alike else ""
    return f"{where}, {words}, {_distance(first[median])}{same}."


def _victim(model: str, defense: str) -> str:
    return model if defense == "none" else f"{model} with {defense}"


def _next_to_undefended(victims: Mapping[tuple, Sequence[Attacked]], norm: str) -> pd.DataFrame:
    """Compare the shortest perturbations of any attack on each defended network with those without the defense.

    Returns a row per defended victim: both, the number of images that both classify correctly; the medians over them,
    with the defense and without; whether the defense makes them shorter; and the p-value of the Wilcoxon signed-rank
    test, corrected after Holm over the rows. No rows without defended victims.
    """
    rows = []
    for (dataset, model, defense, seed), attacks in victims.items():
        base = victims.get((dataset, model, "none", seed))
        if defense == "none" or base is None:
            continue
        before, after = (nearest([_distances_of_right(one, norm) for one in each]) for each in (base, attacks))
        both = before.index.intersection(after.index)
        test = compare_distances(after[both].to_numpy(), before[both].to_numpy())
        medians = quantile(after[both], 0.5), quantile(before[both], 0.5)
        rows.append((dataset, model, defense, seed, len(both), *medians, test.first_is_shorter, test.p_value))
    columns = ("both", f"defended_{norm}", f"undefended_{norm}", "defended_is_shorter", "p_holm_vs_undefended")
    found = pd.DataFrame(rows, columns=[*VICTIM_KEYS, *columns])
    return found.assign(p_holm_vs_undefended=holm(found["p_holm_vs_undefended"].tolist()))


def _of_defenses(protected: pd.DataFrame, norm: str) -> Iterator[str]:
    """Say how much longer the shortest perturbation of any attack is on each defended network than without."""
    for row in protected.to_dict("records"):
        name = f"{_victim(row['model'], row['defense'])} ({row['dataset']}, seed {row['seed']})"
        defended, without = (_distance(row[f"{which}_{norm}"]) for which in ("defended", "undefended"))
        way = "shorter" if row["defended_is_shorter"] else "longer"
        significant = row["p_holm_vs_undefended"] < SIGNIFICANT
        claim = f"significantly {way}" if significant else "not significantly different"
        yield (
            f"{name}: the shortest perturbation of any attack has a median {NORMS[norm]} of {defended}, next to "
            f"{without} without the defense, {claim} (Wilcoxon signed-rank test on the {row['both']:,} images that "
            f"both classify correctly, corrected after Holm over {counted(len(protected), 'defended network')})."
        )


def _display(data: pd.DataFrame, norm: str) -> pd.DataFrame:
    defended = (data["defense"] != "none").any()
    several_datasets, several_seeds = data["dataset"].nunique() > 1, data["seed"].nunique() > 1
    # With the two columns of the defenses, those of the quantiles would not fit a page; the CSV has them.
    quantiles = {} if defended else {f"{part:g} %": data[f"q{part:02d}_{norm}"].map(_distance) for part in (5, 95)}
    columns = {
        **({"data set": data["dataset"]} if several_datasets else {}),
        "model": data["model"],
        **({"defense": data["defense"], "clean %": data["clean"].map(percent)} if defended else {}),
        "attack": data["attack"],
        **({"seed": data["seed"].astype(str)} if several_seeds else {}),
        "n": data["n"].map("{:,}".format),
        "success %": data["success"].map(percent),
        "95 % interval": percent_intervals(data),
        f"median {NORMS[norm]}": data[f"median_{norm}"].map(_distance),
        MEDIAN_INTERVAL: [
            "" if pd.isna(low) else f"{_distance(low)} to {_distance(high)}"
            for low, high in zip(data["median_low"], data["median_high"], strict=True)
        ],
        **spread_column(data, f"median {NORMS[norm]}", digits=3, text=_distance),
        **({LETTERS: data[LETTERS]} if data[LETTERS].any() else {}),
        "ratio to best": data["to_best"].map(_distance),
        f"mean {NORMS[norm]}": data[f"mean_{norm}"].map(_distance),
        **quantiles,
        "shortest %": data["shortest"].map(lambda share: percent(share, 1)),
        "missed": data["missed"].map("{:,}".format),
        "gradients": data["gradient_evaluations"].map(lambda count: "" if pd.isna(count) else f"{count:,.0f}"),
    }
    return pd.DataFrame(columns)


def _distance(value: float, digits: int = 3) -> str:
    if pd.isna(value):
        return ""
    return "∞" if np.isinf(value) else f"{value:.{digits}f}"
