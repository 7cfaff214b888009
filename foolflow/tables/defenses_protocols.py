"""Published accuracies of defenses beside ours, under both protocols: static and white box."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from foolflow.data.cells import UNDEFENDED
from foolflow.statistics.masking import Roles
from foolflow.tables.wording import rate_with_n
from foolflow.tables.writing import percent

PROTOCOLS = ("static", "white_box")


def protocol_of(defense: str, protocol: Mapping[str, Any]) -> str:
    """Return the protocol that the published text describes for a defense. protocol: that of the reference."""
    return protocol[defense]["kind"] if defense in protocol else "static"


def comparable_protocols(defense: str, protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the protocols under which a published accuracy may have been measured: all that the text leaves open."""
    known = protocol.get(defense, {})
    return (known["kind"],) if known.get("stated") else PROTOCOLS


def protocol_findings(
    data: pd.DataFrame,
    published: Mapping[str, Mapping[str, Mapping[str, float]]],
    protocol: Mapping[str, Any],
    roles: Roles | None,
) -> Iterator[str]:
    """Yield a sentence for each published accuracy under attack, and for each that the publication leaves out.

    data: that of the table, see `foolflow.tables.defenses.tabulate`.
    published: percentages by model, defense and attack.
    roles: the attacks that reveal masking; the iterative one is what a single step is measured by.
    """
    rows = data[data["seed"] == data["seed"].min()]
    for model in rows["model"].unique():
        of_model = rows[rows["model"] == model]
        names = [model] if rows["model"].nunique() > 1 else []
        names += [f"seed {data['seed'].min()}"] if data["seed"].nunique() > 1 else []
        where = f" ({', '.join(names)})" if names else ""
        of_network = published.get(model, {})
        attacks = list(dict.fromkeys(name for known in of_network.values() for name in known if name != "clean"))
        for defense, known in of_network.items():
            for attack in attacks:
                ours = of_model[(of_model["defense"] == defense) & (of_model["attack"] == attack)]
                found = {row["kind"]: row for row in ours.to_dict("records") if row["kind"] in PROTOCOLS}
                if not found:
                    continue
                if attack not in known:
                    yield _left_out(defense, attack, found, where)
                elif defense == UNDEFENDED:
                    yield _undefended(known[attack], attack, next(iter(found.values())), of_model, roles, where)
                else:
                    yield _defended(known[attack], defense, attack, found, protocol, where)


def _defended(
    theirs: float, defense: str, attack: str, found: Mapping[str, Any], protocol: Mapping[str, Any], where: str
) -> str:
    start = f"Published for {defense} under {attack}: {theirs:.1f} %. Ours{where} is {_both(found)}."
    if defense not in protocol:
        return start
    described = protocol[defense]
    which = "only" if described["stated"] else "likelier"
    return f"{start} The text says that {described['words']}, so {_words(described['kind'])} is the {which} comparison."


def _undefended(
    theirs: float, attack: str, row: Mapping[str, Any], of_model: pd.DataFrame, roles: Roles | None, where: str
) -> str:
    """Add what may explain a difference: many steps within the same epsilon or, without one, rounding to 8 bits."""
    sentence = f"Published for no defense under {attack}: {theirs:.1f} %. Ours{where} is {_rate(row)}"
    if pd.isna(row["epsilon"]):
        return f"{sentence}; rounding these images to 8 bits makes it {percent(row['accuracy_8bit'], 1)} %."
    if roles is None or attack == roles.iterative:
        return f"{sentence}."
    chosen = (of_model["defense"] == UNDEFENDED) & (of_model["attack"] == roles.iterative)
    many = of_model[chosen & of_model["kind"].isin(PROTOCOLS)]
    return (
        f"{sentence}; {roles.iterative}, of many steps, leaves {_rate(dict(many.iloc[0]))}."
        if len(many)
        else f"{sentence}."
    )


def _left_out(defense: str, attack: str, found: Mapping[str, Any], where: str) -> str:
    sentence = f"No accuracy of {defense} under {attack} was published. Ours{where} is {_both(found)}."
    if "white_box" not in found or pd.notna(found["white_box"]["epsilon"]):
        return sentence
    return (
        f"{sentence} {attack} has no epsilon: made on a victim itself, it goes on until the prediction changes, so its "
        "accuracy says little about a defense; the size of its perturbations would."
    )


def _both(found: Mapping[str, Any]) -> str:
    return " and ".join(f"{_rate(found[kind])} {_words(kind)}" for kind in PROTOCOLS if kind in found)


def _rate(row: Mapping[str, Any]) -> str:
    return rate_with_n(row["accuracy"], row["n"], row["low"], row["high"])


def _words(kind: str) -> str:
    return kind.replace("_", " ")
