"""Defended victims under static, white-box, adaptive and black-box attacks (R3 and beyond)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import UNDEFENDED
from foolflow.statistics.groups import compare_all
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.masking import Attacked, Evidence, Roles, signs_of_masking
from foolflow.statistics.paired import compare_paired, holm
from foolflow.statistics.robustness import on_common_images, worst_case
from foolflow.statistics.summary import WORST
from foolflow.tables.defenses_findings import clean_accuracy, findings, groups
from foolflow.tables.defenses_protocols import (
    PROTOCOLS,
    comparable_protocols,
    protocol_findings,
    protocol_of,
)
from foolflow.tables.flattery import Contest, Right, contests
from foolflow.tables.letters import LETTERS, lettered
from foolflow.tables.letters import MEANING as MEANING_OF_LETTERS
from foolflow.tables.links import Link, links, to_attacks, to_images, to_victim
from foolflow.tables.over_seeds import spread_note, spread_text, with_spread
from foolflow.tables.wording import ALL_COUNT, counted
from foolflow.tables.writing import VERSUS, Table, percent, verdict, verdict_note, without_empty_columns

MEANING = {  # of the kinds of attacks, in the order of the study
    "static": "made on the undefended victim of the same seed, without knowledge of the defense",
    "white_box": "made on the victim itself, with the gradient as its code computes it",
    "adaptive": "made on the victim itself, through its filter: with its gradient, or straight-through if it has none",
    "black_box": "made on the victim itself, using only its predictions",
}


@dataclass(frozen=True)
class Cell:
    """One attack on one victim.

    outcomes: one row per image, with index, epsilon (NaN: none), label, clean_prediction and clean_loss; under attack,
    prediction, prediction_8bit (after rounding the image to 8 bits) and loss.
    epsilon_norm: the norm of the epsilons; None: unknown.
    repeats: the white-box attack that an adaptive one repeats on a victim without a filter; None: it repeats none.
    method: that of the attack; None: unknown.
    """

    model: str
    defense: str
    seed: int
    kind: str
    attack: str
    outcomes: pd.DataFrame
    epsilon_norm: str | None = None
    repeats: str | None = None
    method: str | None = None

    @property
    def radius(self) -> float:
        """The largest epsilon; infinite for an attack without one, whose perturbations are unbounded."""
        return float(self.outcomes["epsilon"].fillna(np.inf).max())

    @property
    def victim(self) -> tuple[str, str, int]:
        return self.model, self.defense, self.seed

    def withstood(self) -> pd.Series:
        """Return for each image of the test split whether the victim classifies it correctly, clean and attacked.

        An adversary may leave the image unchanged, so in the worst case a clean error is an error.
        """
        return _right(self.outcomes, "clean_prediction") & _right(self.outcomes, "prediction")


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table.

    spec: title; dataset; cells with kind, epsilon_norm, repeats and method; roles, the attacks that reveal gradient
    masking, or None; reference.
    """
    keys = ("model", "defense", "seed", "kind", "attack", "epsilon_norm", "repeats", "method")
    cells = [Cell(**{key: cell[key] for key in keys}, outcomes=artefacts.records(cell)) for cell in spec["cells"]]
    roles = None if spec["roles"] is None else Roles(**spec["roles"])
    return tabulate(spec["title"], spec["dataset"], cells, roles, spec["reference"])


def tabulate(
    title: str, dataset: str, cells: Sequence[Cell], roles: Roles | None, reference: Mapping[str, Any]
) -> Table:
    """Build the table. reference: as reference/r3_defenses.yaml, in percent; the table's CSV has fractions.

    The CSV has a row for each cell and, of the kind `worst case`, one for each victim. `counts` tells which cells are
    part of it. `holm_p` compares the accuracy with that of the undefended victim of the same seed under the same
    attack, on the same images. An adaptive attack is the same there as the white-box attack that it repeats.
    """
    published = reference["accuracy"].get(dataset, {})
    # The attack with a huge radius only reveals masking; it does not measure robustness.
    measured = [cell for cell in cells if roles is None or cell.attack != roles.huge]
    counting = {victim: _counting(found) for victim, found in _by_victim(measured).items()}
    rows = [
        _row(cell, published, reference["protocol"]) | {"counts": any(cell is one for one in counting[cell.victim])}
        for cell in cells
    ]
    rows += [_worst_row(victim, found) | {"counts": False} for victim, found in counting.items()]
    data = pd.DataFrame(rows)
    data.insert(0, "dataset", dataset)
    data = data.join(_letters(counting).set_axis(data.index[data["kind"] == WORST]))
    data[LETTERS] = data[LETTERS].fillna("")
    data["holm_p"] = _p_values(cells, excluding=roles.huge if roles else None)
    by_victim = _by_victim(cells)
    warnings = {
        (model, defense, seed): list(_signs(found, by_victim.get((model, UNDEFENDED, seed), []), roles))
        for (model, defense, seed), found in by_victim.items()
    }
    data["warnings"] = [
        "; ".join(warnings[victim]) for victim in zip(data["model"], data["defense"], data["seed"], strict=True)
    ]
    display = _display(data, roles)
    defended = {victim: found for victim, found in counting.items() if victim[1] != UNDEFENDED}
    left_out = [
        cell for cell in measured if cell.victim in defended and not any(cell is one for one in defended[cell.victim])
    ]
    compared = contests(
        _withstood(defended),
        {
            method: _withstood(_by_victim([cell for cell in left_out if cell.method == method]))
            for method in dict.fromkeys(cell.method for cell in left_out)
            if method is not None
        },
    )
    return Table(
        title=title,
        data=with_spread(data, ("model", "defense", "kind", "attack"), "accuracy"),
        display=display,
        findings=[*findings(data, compared), *protocol_findings(data, published, reference["protocol"], roles)],
        # Under a single attack, a defense that masks its gradient would win.
        best=dict.fromkeys(["clean %", f"{WORST} %"], "highest"),
        best_within=["n", "model", "seed"],
        images=links(display, [_links(rows, counting) for rows in _lines(data)]),
        notes=_notes(data, display, compared, roles, reference),
    )


def _row(cell: Cell, published: Mapping[str, Any], protocol: Mapping[str, Any]) -> dict[str, Any]:
    right, known = _right(cell.outcomes, "prediction"), published.get(cell.model, {}).get(cell.defense, {})
    comparable = cell.attack in known and cell.kind in comparable_protocols(cell.defense, protocol)
    return {
        **_measures(cell.victim, cell.kind, cell.attack, right, _right(cell.outcomes, "clean_prediction")),
        "epsilon": cell.radius if np.isfinite(cell.radius) else None,
        "accuracy_8bit": _right(cell.outcomes, "prediction_8bit").mean(),
        "clean_loss": cell.outcomes["clean_loss"].mean(),
        "loss": cell.outcomes["loss"].mean(),
        "published_clean": known["clean"] / 100 if cell.kind == "static" and "clean" in known else None,
        "published": known[cell.attack] / 100 if comparable else None,
        "as_published": comparable and cell.kind == protocol_of(cell.defense, protocol),
    }


def _counting(cells: Sequence[Cell]) -> list[Cell]:
    """Return the attacks that count in the worst case: those with an epsilon or, if there are none, all of them."""
    return [cell for cell in cells if np.isfinite(cell.radius)] or list(cells)


def _withstood(cells: Mapping[tuple[str, str, int], Sequence[Cell]]) -> Right:
    return {victim: {(cell.kind, cell.attack): cell.withstood() for cell in found} for victim, found in cells.items()}


def _worst_row(victim: tuple[str, str, int], cells: Sequence[Cell]) -> dict[str, Any]:
    """Measure the accuracy under all attacks that count, on the images that all of them attacked."""
    clean = _right(cells[0].outcomes, "clean_prediction")
    right = worst_case([cell.withstood() for cell in cells])
    return _measures(victim, WORST, "all", right, clean[clean.index.isin(right.index)])


def _letters(counting: Mapping[tuple[str, str, int], Sequence[Cell]]) -> pd.DataFrame:
    """Compare the worst cases of all pairs of victims. Return a row for each victim, see `lettered`.

    counting: the attacks that are part of the worst case, of each victim. Victims whose attacks have no image in common
    are not compared.
    """
    victims = ["/".join(map(str, victim)) for victim in counting]
    worst = [worst_case([cell.withstood() for cell in cells]) for cells in counting.values()]
    both = on_common_images(worst).to_numpy()
    order = np.argsort(-both.sum(axis=0), kind="stable").tolist()
    return lettered(victims, order, compare_all(list(both.T)) if len(both) else {})


def _measures(
    victim: tuple[str, str, int], kind: str, attack: str, right: pd.Series, clean: pd.Series
) -> dict[str, Any]:
    low, high = wilson_interval(int(right.sum()), len(right))
    return {
        **dict(zip(("model", "defense", "seed"), victim, strict=True)),
        "kind": kind,
        "attack": attack,
        "n": len(right),
        "clean": clean.mean(),
        "accuracy": right.mean(),
        "low": low,
        "high": high,
    }


def _right(outcomes: pd.DataFrame, column: str) -> pd.Series:
    """Return for each image of the test split whether the prediction in that column is correct."""
    return (outcomes[column] == outcomes["label"]).set_axis(outcomes["index"])


def _by_victim(cells: Sequence[Cell]) -> dict[tuple[str, str, int], list[Cell]]:
    found: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.victim, []).append(cell)
    return found


def _p_values(cells: Sequence[Cell], excluding: str | None) -> pd.Series:
    """Return Holm's p-values of the paired comparisons with the undefended victims, by the index of the cell.

    Static attacks are not compared: their images were made on the undefended victim, so that almost any other network
    withstands more of them, defended or not.
    """
    undefended = {(cell.model, cell.seed, cell.kind, cell.attack): cell for cell in cells if cell.defense == UNDEFENDED}
    p_values: dict[int, float] = {}
    for index, cell in enumerate(cells):
        if cell.kind == "static":
            continue
        other = undefended.get((cell.model, cell.seed, cell.kind, cell.attack)) or undefended.get(
            (cell.model, cell.seed, "white_box", cell.repeats or "")
        )
        if other is not None and other is not cell and cell.attack != excluding:
            both = on_common_images([_right(one.outcomes, "prediction") for one in (other, cell)]).to_numpy()
            p_values[index] = compare_paired(both[:, 0], both[:, 1]).p_value
    return pd.Series(dict(zip(p_values, holm(list(p_values.values())), strict=True)), dtype=float)


def _signs(cells: Sequence[Cell], undefended: Sequence[Cell], roles: Roles | None) -> Iterator[str]:
    """Yield the signs of masking of one victim. undefended: the cells of the undefended victim."""
    if roles is None:
        return
    white = {cell.attack: _attacked(cell) for cell in cells if cell.kind == "white_box"}
    if roles.iterative not in white:
        return
    others = {"static": "transferred", "black_box": "black-box", "adaptive": "adaptive"}
    stronger = tuple((others[cell.kind], _attacked(cell)) for cell in cells if cell.kind in others)
    transferred = {cell.attack: _attacked(cell) for cell in cells if cell.kind == "static"}
    single = roles.single_step or ""
    reference = next((_attacked(cell) for cell in undefended if cell.attack == single), None)
    yield from signs_of_masking(
        Evidence(
            iterative=white[roles.iterative],
            single_step=white.get(single),
            single_step_transferred=transferred.get(single),
            single_step_undefended=reference,
            stronger=stronger,
            huge=white.get(roles.huge or ""),
        )
    )


def _attacked(cell: Cell) -> Attacked:
    return Attacked(cell.attack, cell.outcomes, cell.radius, cell.epsilon_norm if np.isfinite(cell.radius) else None)


def _lines(data: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of the data that one line of the display shows: of one victim, on equally many images.

    The lines with most images come first.
    """
    found = [rows for _, rows in groups(data, "n", "model", "defense", "seed")]
    victims = list(dict.fromkeys(_key(row) for row in data.to_dict("records")))
    return sorted(found, key=lambda rows: (-rows["n"].iloc[0], victims.index(_key(rows.iloc[0]))))


def _key(row: Any) -> tuple[str, str, int]:
    """Return the victim of a row of the data."""
    return row["model"], row["defense"], row["seed"]


def _display(data: pd.DataFrame, roles: Roles | None) -> pd.DataFrame:
    """Return one row per victim and number of images, one column per attack, with published numbers next to ours."""
    several_models, several_seeds = data["model"].nunique() > 1, data["seed"].nunique() > 1
    most = data.groupby(["model", "defense", "seed"])["n"].transform("max")
    lines: list[dict[str, str]] = []
    for rows in _lines(data):
        first = rows.iloc[0]
        line = {**({"model": first["model"]} if several_models else {}), "defense": first["defense"]}
        line |= {"seed": str(first["seed"])} if several_seeds else {}
        line["n"] = f"{first['n']:,}"
        line["clean %"] = _with_loss(percent(clean_accuracy(rows)[0]), "", rows["clean_loss"].max())
        if first["n"] == most[rows.index[0]]:
            line["published: clean %"] = percent(rows["published_clean"].max())
            line[f"{VERSUS}: clean"] = verdict(*clean_accuracy(rows), rows["published_clean"].max())
        for row in rows.to_dict("records"):
            interval = f"{percent(row['low'], 1)} to {percent(row['high'], 1)}"
            line[_column(row["kind"], row["attack"])] = _with_loss(percent(row["accuracy"]), interval, row["loss"])
            if row["kind"] in PROTOCOLS and pd.notna(row["published"]):
                words = row["kind"].replace("_", " ")
                line[f"published: {row['attack']} %"] = percent(row["published"])
                line[f"{VERSUS}: {row['attack']}, {words}"] = verdict(
                    row["accuracy"], row["low"], row["high"], row["published"]
                )
            if row["kind"] == WORST:
                line[LETTERS] = row[LETTERS]
                line["gradient masking"] = "SUSPECTED" if row["warnings"] else "no sign" if roles else "not checked"
        lines.append(line)
    if several_seeds:
        lines += _lines_over_seeds(data, several_models)
    columns = dict.fromkeys(name for line in lines for name in line)
    last = [name for name in columns if name in (f"{WORST} %", LETTERS, "gradient masking")]
    order = [*(name for name in columns if name not in last), *last]
    return without_empty_columns(pd.DataFrame(lines).reindex(columns=order).fillna(""))


def _with_loss(rate: str, interval: str, loss: float) -> str:
    """Return a rate with its interval and the mean loss, as far as known: `63.20 (58.9 to 67.3; loss 1.04)`."""
    details = [interval] if interval else []
    details += [] if pd.isna(loss) else [f"loss {loss:.2f}"]
    return f"{rate} ({'; '.join(details)})" if details else rate


def _links(rows: pd.DataFrame, counting: Mapping[tuple[str, str, int], Sequence[Cell]]) -> dict[str, Link]:
    """Return the links of a line. The worst case leads to all attacks that are part of it.

    counting: these attacks, of each victim.
    """
    found = {"clean %": to_victim(rows.iloc[0].to_dict())}
    for row in rows.to_dict("records"):
        source = f"{row['model']}/{UNDEFENDED}" if row["kind"] == "static" else None
        made = (
            to_attacks(row, (cell.attack for cell in counting[_key(row)]))
            if row["kind"] == WORST
            else to_images(row, source=source)
        )
        found[_column(row["kind"], row["attack"])] = made
    return found


def _lines_over_seeds(data: pd.DataFrame, several_models: bool) -> Iterator[dict[str, str]]:
    for (n, model, defense), rows in sorted(groups(data, "n", "model", "defense"), key=lambda group: -group[0][0]):
        line = {**({"model": model} if several_models else {}), "defense": defense, "seed": "mean ± sd", "n": f"{n:,}"}
        for (kind, attack), likes in groups(rows, "kind", "attack"):
            line[_column(kind, attack)] = spread_text(likes["accuracy"].mean(), likes["accuracy"].std())
        yield line


def _column(kind: str, attack: str) -> str:
    return f"{WORST} %" if kind == WORST else f"{kind.replace('_', ' ')}: {attack} %"


def _notes(
    data: pd.DataFrame,
    display: pd.DataFrame,
    compared: Sequence[Contest],
    roles: Roles | None,
    reference: Mapping[str, Any],
) -> list[str]:
    kinds = [kind for kind in MEANING if kind in set(data["kind"])]
    gap = (
        data.pivot_table(index=["model", "defense", "seed"], columns=["kind", "attack"], values="n")
        .isna()
        .any(axis=None)
    )
    not_counted = (
        f" {roles.huge}, whose radius only reveals gradient masking, does not count." if roles and roles.huge else ""
    )
    notes = [
        f"Accuracy in percent on the attacked images, with its Wilson 95 % interval. {ALL_COUNT} "
        "'Loss' is the mean cross-entropy of the true class on the same images. "
        "All numbers of a row are on its n images; attacks that ran on fewer images have rows of their own. 'Worst "
        "case' is the accuracy under all attacks on the victim that have an epsilon (the others are unbounded; they "
        "count only if no attack has one), on the images that all of them attacked. There, an image counts as right "
        f"only if it is also right when clean, because an adversary may leave it unchanged.{not_counted}",
        "; ".join(f"'{kind.replace('_', ' ')}': {MEANING[kind]}" for kind in kinds)
        + (
            ". An adaptive cell is empty if the victim has no filter: the attack is then the white-box one."
            if gap
            else "."
        ),
    ]
    tests = int(data["holm_p"].notna().sum())
    if tests:
        notes.append(
            "Each defense was compared with none under the same attack, image by image (an adaptive attack with the "
            "white-box one that it repeats on a victim without a filter; static attacks are left out, because almost "
            "any other network withstands more of images made on the undefended one): "
            f"{counted(tests, 'exact McNemar test')}, one family over all defenses, attacks and seeds of this table, "
            "corrected after Holm."
        )
    victims = int((data["kind"] == WORST).sum())
    if data[LETTERS].any():
        notes.append(
            f"Letters: every pair of the {victims} victims was compared in the worst case, image by image "
            f"({counted(victims * (victims - 1) // 2, 'exact McNemar test')}, a family of its own, corrected after "
            f"Holm). {MEANING_OF_LETTERS}"
        )
    if compared:
        notes.append(
            "The strongest static attack on each defended victim was compared with the strongest one made on the "
            "victim itself, image by image: of the attacks in the worst case and, by method, of those without an "
            "epsilon that are not part of it. Clean errors count as errors, as in the worst case "
            f"({counted(len(compared), 'exact McNemar test')}, "
            "a family of its own, corrected after Holm)."
        )
    notes += spread_note(data)
    notes += verdict_note(display)
    if data["published_clean"].notna().any():
        notes.append(f"Published: {reference['source']['students']}.")
    return notes
