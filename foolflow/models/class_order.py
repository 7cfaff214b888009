"""Match the classes of a data set with the outputs of a supplied network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

from foolflow.errors import InvalidInput

SHOWN = 5  # names in an error message


@dataclass(frozen=True)
class ClassOrder:
    """The order of the victim's outputs.

    outputs: for each output of the victim, the network's output; the data set's classes come first, in the order of
        its labels.  names: one per output of the victim.
    """

    outputs: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        return self.outputs == tuple(range(len(self.outputs)))


def read_classes(classes: str | Sequence[object] | None) -> tuple[str, ...] | None:
    """Return the names of a network's outputs: a list, or the lines of a text file.

    Raises InvalidInput if the file cannot be read or a name is empty.
    """
    if classes is None:
        return None
    if isinstance(classes, str):
        try:
            text = Path(classes).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read as UTF-8 text"
            raise InvalidInput(f"classes: {classes} {reason}; give a text file with one class name per line") from error
        names = tuple(line.strip() for line in text.rstrip().splitlines())
    else:
        names = tuple(str(name).strip() for name in classes)
    if "" in names or not names:
        origin = classes if isinstance(classes, str) else "the list"
        raise InvalidInput(f"classes: {origin} has an empty name at place {names.index('') + 1 if names else 1}")
    return names


def class_order(class_names: Sequence[str], classes: Sequence[str] | None, outputs: int) -> ClassOrder:
    """Return the order that makes the victim's output i the data set's class i. The other outputs follow.

    class_names: of the data set, in the order of its labels.  classes: of the network, in the order of its outputs, or
        None if they are not known.  outputs: the number of the network's outputs.
    A data set whose classes are called 0, 1, 2, ... has the numbers of the outputs as labels.
    Raises InvalidInput if the classes cannot be matched without doubt.
    """
    if classes is not None and len(classes) != outputs:
        raise InvalidInput(f"classes: {len(classes)} names for a network with {outputs} outputs; name each output")
    if len(class_names) > outputs:
        problem = f"the data set has {len(class_names)} classes and the network {outputs} outputs"
        if _are_numbers(class_names) and len(class_names) == outputs + 1:
            raise InvalidInput(f"{problem}, 0 to {outputs - 1}; if its labels begin at 1, subtract 1")
        raise InvalidInput(f"{problem}; remove the images of the other classes or use another network")
    labels_are_outputs = _are_numbers(class_names) and not set(class_names) <= set(classes or ())
    if labels_are_outputs:
        places = list(range(len(class_names)))
    elif classes is None:
        _check_order_without_names(class_names, outputs)
        places = list(range(outputs))
    else:
        places = _matches(class_names, classes)
    others = [place for place in range(outputs) if place not in set(places)]
    if classes is None:
        names = [*class_names, *(str(place) for place in others)]
    elif labels_are_outputs:
        names = list(classes)
    else:
        names = [*class_names, *(classes[place] for place in others)]
    return ClassOrder((*places, *others), tuple(names))


def _are_numbers(class_names: Sequence[str]) -> bool:
    """Whether the names are 0, 1, 2, ..., as for labels without names."""
    return list(class_names) == [str(label) for label in range(len(class_names))]


def _check_order_without_names(class_names: Sequence[str], outputs: int) -> None:
    remedy = "give classes: the names of the network's outputs, in their order"
    if len(class_names) != outputs:
        problem = f"the data set has {len(class_names)} classes and the network {outputs} outputs"
        raise InvalidInput(f"{problem}; {remedy}")
    numbers = [int(name) for name in class_names if re.fullmatch(r"\d+", name)]
    if len(numbers) == len(class_names) and numbers != sorted(numbers):
        shown = ", ".join(class_names[:SHOWN])
        raise InvalidInput(
            f"the class folders are numbers in the order of text ({shown}, ...), which may not be the order of the"
            f" network's outputs; {remedy}, for example [{', '.join(map(str, sorted(numbers)[:3]))}, ...]"
        )


def _matches(class_names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Return the output of each class of the data set, by name."""
    found = _places(class_names, classes)
    missing = [name for name, places in zip(class_names, found, strict=True) if not places]
    if missing:
        more = f" and {len(missing) - SHOWN} others" if len(missing) > SHOWN else ""
        wanted = ", ".join(repr(name) + _closest(name, classes) for name in missing[:SHOWN])
        raise InvalidInput(
            f"classes: no output is named {wanted}{more}; name the folders as in classes, or the reverse"
        )
    for name, places in zip(class_names, found, strict=True):
        if len(places) > 1:
            shown = " and ".join(f"{place} ({classes[place]!r})" for place in places[:SHOWN])
            raise InvalidInput(f"classes: {name!r} may be any of the outputs {shown}; make the names in classes unique")
    places = [only for (only,) in found]
    for name, place in zip(class_names, places, strict=True):
        first = class_names[places.index(place)]
        if first != name:
            raise InvalidInput(f"classes: {first!r} and {name!r} both match output {place} ({classes[place]!r})")
    return places


def _places(class_names: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Return, for each class of the data set, the outputs of that name, by the strictest comparison that finds one."""
    found: list[list[int]] = [[] for _ in class_names]
    for form in (_exact, _loose, _without_number):
        outputs: dict[str, list[int]] = {}
        for place, other in enumerate(classes):
            outputs.setdefault(form(other), []).append(place)
        found = [places or outputs.get(form(name), []) for name, places in zip(class_names, found, strict=True)]
    return found


def _exact(name: str) -> str:
    return name


def _loose(name: str) -> str:
    """Ignore case, the form of accents, and the difference between underscores, hyphens and spaces."""
    return " ".join(re.split(r"[_\-\s]+", normalize("NFC", name).casefold())).strip()


def _without_number(name: str) -> str:
    """Ignore a number in front, as in 003_cat and 003.cat."""
    return re.sub(r"^\d+[\s.:,)]+", "", _loose(name)) or name


def _closest(name: str, classes: Sequence[str]) -> str:
    loose = {_loose(other): other for other in classes}
    close = get_close_matches(_loose(name), loose, n=2, cutoff=0.6)
    return f" (close: {', '.join(loose[match] for match in close)})" if close else ""
