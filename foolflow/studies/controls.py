"""Controls: random noise of the same size as an attack, which shows what the size alone does."""

from collections.abc import Iterator
from typing import Any

from foolflow.attacks.kinds import NOISES
from foolflow.studies.cells import Config, selection
from foolflow.workflow.config.names import unknown


def control_problems(
    key: str, name: str | None, config: Config, *, like: str, norm: str | None, epsilons: Any = None
) -> Iterator[str]:
    """Report why the attack `name` is no control for the attack `like`.

    name: None if there is no control.  norm: of the attack's sizes, if it is known.
    epsilons: the attack's, a list or a number; None: the control chooses its own for a curve, at least two.
    """
    if name is None:
        return
    yield from unknown(key, [name], "attacks", config["attacks"])
    if name not in config["attacks"]:
        return
    control, attack = config["attacks"][name], config["attacks"].get(like, {})
    given = control.get("parameters", {})
    kind, own, its_norm = given.get("kind", "noise"), given.get("epsilon"), given.get("norm", "linf")
    if control.get("method") != "corrupt" or kind not in NOISES:
        yield f"{key}: {name} is no random noise; a control has method corrupt and one of the kinds {', '.join(NOISES)}"
        return
    if epsilons is None and not (isinstance(own, list) and len(own) > 1):
        yield f"{key}: {name} has no list of epsilons, which its curve needs"
    if epsilons is not None and not _same(own, epsilons):
        yield f"{key}: {name} has epsilon {own}, {like} has {epsilons}; they must be the same, or null leaves it out"
    if norm is not None and its_norm != norm:
        yield f"{key}: {name} has norm {its_norm}; here it must be {norm}"
    if like in config["attacks"] and selection(control) != selection(attack):
        chosen = f"{name}: {selection(control)}, {like}: {selection(attack)}"
        yield f"{key}: it must run on the same images ({chosen}); null leaves it out"


def _same(one: Any, other: Any) -> bool:
    """Whether two epsilons, or lists of them in any order, are the same."""
    return sorted(one) == sorted(other) if isinstance(one, list) and isinstance(other, list) else bool(one == other)
