"""Build keys, and check names that refer to other entries of the config or to files."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from foolflow.attacks.kinds import size_name

Config = Mapping[str, Any]

LISTED = 20  # above this number of names, only the closest matches are listed


def join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def missing_file(key: str, path: str) -> str:
    """Return the line that says that a file or folder of the user is missing, and where it was looked for."""
    remedy = f"relative paths start at the working directory, {Path.cwd()}"
    if path.startswith("~"):
        remedy = "~ is not expanded, so write the whole path"
    elif Path(path).is_absolute():
        remedy = "check the path"
    return f"{key}: {path} does not exist; {remedy}"


def unknown(key: str, names: Collection[str], kind: str, allowed: Collection[str]) -> Iterator[str]:
    """Yield one line for each of `names` that is not `allowed`. kind: as in "not among the models"."""
    for name in names:
        if name not in allowed:
            listed = list(allowed) if len(allowed) <= LISTED else get_close_matches(name, allowed, n=5, cutoff=0)
            more = "" if len(listed) == len(allowed) else f" and {len(allowed) - len(listed)} others"
            yield f"{key}: {name!r} is not among the {kind}: {', '.join(listed)}{more}"


def invalid_names(key: str, entries: Sequence[Config], config: Config) -> Iterator[str]:
    """Yield one line for each `name` that several entries share, and for each unknown data set, model and defense.

    entries: a study's list of `name`, `dataset`, `models` and `defenses`.
    """
    names = [entry["name"] for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{key}: {name!r} is used more than once; each name must be unique"
    for index, entry in enumerate(entries):
        yield from unknown_victims(f"{key}.{index}", entry, config)


def unknown_victims(key: str, entry: Config, config: Config) -> Iterator[str]:
    """Yield one line for each unknown name in the `dataset`, `models` and `defenses` of `entry`."""
    yield from unknown(f"{key}.dataset", [entry["dataset"]], "datasets", config["datasets"])
    yield from unknown(f"{key}.models", entry["models"], "models", config["models"])
    yield from unknown(f"{key}.defenses", entry["defenses"], "defenses", ["none", *config["defenses"]])


def unknown_pairs(key: str, victims: Sequence[str], config: Config) -> Iterator[str]:
    """Yield one line for each of `victims` that is no model/defense of the config."""
    for victim in victims:
        model, _, defense = victim.partition("/")
        if model not in config["models"] or defense not in ["none", *config["defenses"]]:
            yield f"{key}: {victim!r} is not a model/defense of this config, such as six_conv/none"


def has_several_sizes(attack: Config) -> bool:
    """Whether the attack makes several adversarial sets: one for each number of a list of epsilons or strengths."""
    return isinstance(attack.get("parameters", {}).get(size_name(attack)), list)


def several_images(key: str, names: Collection[str], config: Config) -> Iterator[str]:
    """Yield one line for each named attack that makes several adversarial images of an image: one for each target."""
    for name in names:
        if config["attacks"].get(name, {}).get("targets") == "all":
            yield f"{key}: {name} makes several adversarial images of each image; it needs a single one here"


def several_sizes(key: str, names: Collection[str], config: Config) -> Iterator[str]:
    """Yield one line for each named attack with a list of epsilons or strengths, where only one is allowed."""
    for name in names:
        attack = config["attacks"].get(name, {})
        if has_several_sizes(attack):
            yield f"{key}: {name} has a list of {size_name(attack)}s; it needs a single one here"


def repeated(key: str, entries: Sequence[Config], fields: Sequence[str]) -> Iterator[str]:
    """Yield a line for each entry of a list whose `fields` are those of an earlier one."""
    earlier = set()
    for index, entry in enumerate(entries):
        same = tuple(entry[field] for field in fields)
        if same in earlier:
            yield f"{key}.{index}: an earlier one has the same {', '.join(fields)}"
        earlier.add(same)
