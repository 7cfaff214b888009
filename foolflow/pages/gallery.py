"""What the explorer of the page shows: images, judgements and commands, in as few bytes as possible.

An adversarial image is stored as its difference from the clean image, modulo 256. Many differences are sparse or have
few values, so they take a third less space than the images, and the sum is the 8-bit image exactly.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from foolflow.data.adversarial import to_stored
from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM, Cell, model_and_defense, source_of
from foolflow.pages.sprites import Sheets
from foolflow.studies.robustness import shown_attack

ENOUGH = 8  # test images per set, below which the resolution is reduced
SMALLEST = 64  # pixels on the shorter side, to which the resolution may be reduced
TRIES = 6  # numbers of images that are tried before one is used
LIKELY = ("prediction", "class_2", "class_3", "class_4", "class_5")
CONFIDENCES = ("confidence", "confidence_2", "confidence_3", "confidence_4", "confidence_5")
MEASURED = ("l0", "l2", "linf", "ssim", "iterations", "gradient_evaluations")
FLOW_LOSS = "flow_loss"
BOUNDED = {"l2": 7, "linf": 7}  # significant digits, enough to tell whether a perturbation is within a bound
COLUMNS = ("epsilon", "target", *MEASURED, FLOW_LOSS)
QUERY = ("dataset", "model", "defense", "seed", "source", "attack", "epsilon", "outcome", "within")
OWN = "own"  # in a query: the images were made on the victim itself

# (data set, attacked model, attacked defense, seed, attack)
SetKey = tuple[str, str, str, int, str]
# the victim that judges: (data set, model, defense, seed)
VictimKey = tuple[str, str, str, int]


@dataclass(frozen=True)
class Stock:
    """How many images of an adversarial set are stored in its file, and how many of them the page holds.

    attack: its name for readers.
    """

    dataset: str
    source: str
    seed: int
    attack: str
    stored: int
    shown: int


@dataclass(frozen=True)
class Gallery:
    """The data of the explorer.

    data: JSON that contains no `<`, so it can stand in a script element.  sheets: PNG files in base64.
    stock: one per adversarial set.  notes: sentences for the reader.  count: test images per set.
    """

    data: str
    sheets: tuple[str, ...]
    stock: tuple[Stock, ...]
    notes: tuple[str, ...]
    count: int
    places: Mapping[tuple[VictimKey, SetKey], tuple[int, Mapping[int, int]]] = field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes that data and sheets take in the page."""
        return len(self.data) + sum(map(len, self.sheets))

    def place(self, cell: Cell, row: int) -> list[int] | None:
        """Return where an image lies: [judgement, position], the address that the page's script takes.

        cell: the judging victim, the attack and the source.  row: of the adversarial set.
        Return None if the page does not hold the image.
        """
        number, positions = self.places.get((_victim_key(cell), _set_key(cell)), (0, {}))
        return [number, positions[row]] if row in positions else None


def gallery(
    cells: Iterable[Cell],
    artefacts: Artefacts,
    *,
    limit: int,
    command: Callable[[Cell], str] | None = None,
) -> Gallery:
    """Choose and encode the images that fit in `limit` bytes: of each set those with the lowest test indices.

    cells: adversarial sets and the victims that judge them. A pair that occurs in several studies is shown once.
    command: the command that makes an adversarial set, whose cell it receives.
    All sets show the same number of test indices, so that one image can be compared across victims and attacks. If
    fewer than ENOUGH fit, images are shown at half their resolution, or less, but with no side below SMALLEST.
    Raises InvalidInput if the job lacks an input.
    """
    album = _Album(cells, artefacts, command)
    built = album.largest(limit, reduction=1)
    for reduction in album.reductions:
        if built.count >= min(ENOUGH, album.most):
            break
        built = album.largest(limit, reduction)
    return built


def query(cell: Cell) -> str:
    """Return the address, within the page, of the images that belong to a cell of a table.

    cell: any of dataset, model, defense, seed, source, attack or attacks, epsilon, outcome, which is `fooled`,
    `target`, `resisted` or `before`, and within, the norm and the size of the perturbations that count. As in every
    cell, an attack without a source was run on the victim itself; several attacks are shown whatever their source.
    """
    wanted = {key: cell[key] for key in QUERY if cell.get(key) is not None and cell[key] != ""}
    if "attacks" in cell:
        wanted["attack"] = ",".join(cell["attacks"])
    elif "attack" in cell and "model" in cell and source_of(cell) == source_of({**cell, "source": None}):
        wanted["source"] = OWN
    if "epsilon" in wanted:
        wanted["epsilon"] = f"{float(wanted['epsilon']):.4g}"
    if "within" in wanted:
        norm, size = wanted["within"]
        wanted["within"] = f"{norm}:{size:.9g}"
    parts = [f"{key}={quote(str(wanted[key]), safe='/:,')}" for key in QUERY if key in wanted]
    return "#explorer" + ("?" + "&".join(parts) if parts else "")


def image_query(cell: Cell, row: int) -> str:
    """Return the address, within the page, of one image among all of its victim.

    cell: the judging victim, the attack and the source.  row: of the adversarial set.
    """
    victim = {key: cell[key] for key in VICTIM}
    name = [*victim.values(), source_of(cell), cell["attack"], row]
    return f"{query(victim)}&at={quote(','.join(map(str, name)), safe='/:,')}"


@dataclass(frozen=True)
class _Judged:
    """One victim's judgement of one adversarial set."""

    victim: VictimKey
    made: SetKey
    cell: Cell
    records: pd.DataFrame


class _Album:
    """All images that could be shown, and how to encode some of them."""

    def __init__(
        self,
        cells: Iterable[Cell],
        artefacts: Artefacts,
        command: Callable[[Cell], str] | None,
    ) -> None:
        self._artefacts, self._command = artefacts, command
        found: dict[tuple[VictimKey, SetKey], Cell] = {}
        for cell in cells:
            found.setdefault((_victim_key(cell), _set_key(cell)), cell)
        self._judged = [_Judged(*key, cell, artefacts.records(cell)) for key, cell in found.items()]
        self._sets: dict[SetKey, _Judged] = {}  # one judgement each: the distances are the same in all
        for judged in self._judged:
            self._sets.setdefault(judged.made, judged)

    @cached_property
    def most(self) -> int:
        """The largest number of test indices of a set."""
        return max((one.records["index"].nunique() for one in self._sets.values()), default=0)

    @cached_property
    def _attack_names(self) -> dict[str, str]:
        """The names for readers of those attacks whose sets are called otherwise, unless two attacks share a name."""
        attacks = {key[4] for key in self._sets}
        names = {attack: shown_attack(attack) for attack in sorted(attacks)}
        return {attack: name for attack, name in names.items() if name != attack and name not in attacks}

    @property
    def reductions(self) -> list[int]:
        """The factors by which images can be reduced, except 1."""
        largest = max((_largest_reduction(self._shape(name)) for name in self._datasets), default=1)
        return [factor for factor in (2**power for power in range(1, 16)) if factor <= largest]

    def largest(self, limit: int, reduction: int) -> Gallery:
        """Return the gallery that holds as many images as fit in `limit` bytes, or a few less."""
        count = min(ENOUGH, self.most)
        best = self.build(0, reduction)
        for _ in range(TRIES):
            built = self.build(count, reduction)
            if built.size <= limit:
                best = built if built.count >= best.count else best
            # The size grows in proportion, apart from names and commands, so the next guess is near.
            guess = min(self.most, int(count * 0.98 * limit / built.size))
            if built.size <= limit and guess <= count * 1.03:
                break
            count = guess if built.size <= limit else min(max(guess, best.count + 1), count - 1)
            if count <= best.count:
                break
        return best

    @cached_property
    def _datasets(self) -> dict[str, Cell]:
        return {judged.cell["dataset"]: judged.cell for judged in reversed(self._judged)}

    def _shape(self, dataset: str) -> tuple[int, ...]:
        return self._artefacts.split(self._datasets[dataset]).images.shape[1:]

    def build(self, count: int, reduction: int) -> Gallery:
        """Encode the `count` lowest test indices of each set, reduced by this factor where they are large."""
        rows = {key: self._rows(judged, count) for key, judged in self._sets.items()}
        sheets, names = Sheets(), _Pool()
        datasets = {name: _Shown(name, self, rows, reduction) for name in dict.fromkeys(key[0] for key in rows)}
        victims: dict[VictimKey, list[_Judged]] = {}
        for judged in self._judged:
            victims.setdefault(judged.victim, []).append(judged)
        numbers = {key: number for number, key in enumerate(victims)}
        set_numbers = {key: number for number, key in enumerate(rows)}
        places = list(datasets)
        data = {
            "datasets": [shown.entry(sheets) for shown in datasets.values()],
            "victims": [
                _victim_entry(key, judged, datasets[key[0]], rows, names, places) for key, judged in victims.items()
            ],
            "sets": [self._set_entry(key, rows[key], datasets[key[0]], sheets, places) for key in rows],
            "judgements": [
                {
                    "victim": numbers[judged.victim],
                    "set": set_numbers[judged.made],
                    **_likely(judged.records.iloc[rows[judged.made]], ""),
                    "margin": _rounded(judged.records["margin"].to_numpy()[rows[judged.made]]),
                }
                for judged in self._judged
            ],
            "names": names.list,
            "attacks": self._attack_names,
            "columns": COLUMNS,  # of sets; a list, or one value for all images
        }
        stock = tuple(
            Stock(
                *(key[0], f"{key[1]}/{key[2]}", key[3], self._attack_names.get(key[4], key[4])),
                len(judged.records),
                len(rows[key]),
            )
            for key, judged in self._sets.items()
        )
        return Gallery(
            data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
            sheets=tuple(sheets.encoded),
            stock=stock,
            notes=tuple(
                _notes(
                    sum(len(judged.records) for judged in self._judged),
                    sum(len(rows[judged.made]) for judged in self._judged),
                    min(count, self.most),
                    datasets.values(),
                )
            ),
            count=min(count, self.most),
            places={
                (judged.victim, judged.made): (
                    number,
                    {int(row): position for position, row in enumerate(rows[judged.made])},
                )
                for number, judged in enumerate(self._judged)
            },
        )

    def _rows(self, judged: _Judged, count: int) -> np.ndarray:
        """Return the rows of a set that are shown, in ascending order."""
        index = judged.records["index"].to_numpy()
        return np.flatnonzero(np.isin(index, np.unique(index)[:count]))

    def _set_entry(
        self, key: SetKey, rows: np.ndarray, shown: "_Shown", sheets: Sheets, places: Sequence[str]
    ) -> dict[str, Any]:
        judged = self._sets[key]
        records = judged.records.iloc[rows]
        dataset, model, defense, seed, attack = key
        entry = {
            "dataset": places.index(dataset),
            "source": f"{model}/{defense}",
            "seed": seed,
            "attack": attack,
            "stored": len(judged.records),
            "image": shown.positions(records["index"].to_numpy()),
            "row": rows.tolist(),
            **{name: _column(records[name].to_numpy(), BOUNDED.get(name, 4)) for name in COLUMNS if name in records},
        }
        if entry.get(FLOW_LOSS, ()) is None:  # the table has this column because of other attacks
            del entry[FLOW_LOSS]
        if self._command is not None:
            cell = {"dataset": dataset, "model": model, "defense": defense, "seed": seed, "attack": attack}
            entry["command"] = self._command(cell)
        if len(rows):
            made = shown.reduced(to_stored(self._artefacts.tensor(judged.cell, "images", rows), np.dtype(np.uint8)))
            clean = shown.clean[np.array(entry["image"])]
            entry["sprites"] = sheets.add(made - clean)  # uint8 wraps around, which is meant
            if self._artefacts.has_tensor(judged.cell, "flow"):
                entry["flow"] = _flow(self._artefacts.tensor(judged.cell, "flow", rows), shown, sheets)
        return entry


class _Shown:
    """The clean images of one data set that the page holds, and their resolution."""

    def __init__(self, name: str, album: _Album, rows: Mapping[SetKey, np.ndarray], reduction: int) -> None:
        split = album._artefacts.split(album._datasets[name])
        indices = [album._sets[key].records["index"].to_numpy()[rows[key]] for key in rows if key[0] == name]
        self.name, self.indices = name, np.unique(np.concatenate(indices)).astype(int)
        self.full = split.images.shape[1:]
        self.factor = min(reduction, _largest_reduction(self.full))
        self.clean = self.reduced(np.array(split.images[self.indices]))

    def positions(self, indices: np.ndarray) -> list[int]:
        """Return the places of these test indices among the images that are shown."""
        return np.searchsorted(self.indices, indices).tolist()

    def reduced(self, images: np.ndarray) -> np.ndarray:
        """Reduce uint8 images (N, C, H, W) to the resolution that is shown."""
        return np.rint(_box_average(images, self.factor)).astype(np.uint8) if self.factor > 1 else images

    def entry(self, sheets: Sheets) -> dict[str, Any]:
        channels, height, width = self.full
        return {
            "name": self.name,
            "channels": channels,
            "height": self.clean.shape[2],
            "width": self.clean.shape[3],
            "full": [height, width],
            "factor": self.factor,
            "index": self.indices.tolist(),
            "sprites": sheets.add(self.clean),
        }


class _Pool:
    """Lists of class names. Victims with the same names share one."""

    def __init__(self) -> None:
        self.list: list[list[str]] = []

    def place(self, names: Sequence[str]) -> int:
        wanted = [str(name) for name in names]
        if wanted not in self.list:
            self.list.append(wanted)
        return self.list.index(wanted)


def _victim_entry(
    key: VictimKey,
    judgements: Sequence[_Judged],
    shown: _Shown,
    rows: Mapping[SetKey, np.ndarray],
    names: _Pool,
    places: Sequence[str],
) -> dict[str, Any]:
    """Describe a victim and its predictions for the clean images, which are the same in all its judgements."""
    records = pd.concat([one.records.iloc[rows[one.made]] for one in judgements]).drop_duplicates("index")
    records = records.sort_values("index")
    return {
        "dataset": places.index(key[0]),
        "model": key[1],
        "defense": key[2],
        "seed": key[3],
        "names": names.place(judgements[0].records.attrs["class_names"]),
        "image": shown.positions(records["index"].to_numpy()),
        "label": records["label"].tolist(),
        **_likely(records, "clean_"),
    }


def _likely(records: pd.DataFrame, prefix: str) -> dict[str, Any]:
    """Return the most likely classes and their confidences per mille, image by image: `width` values for each."""
    classes = np.stack([records[f"{prefix}{name}"].to_numpy() for name in LIKELY], 1)
    confidences = np.stack([records[f"{prefix}{name}"].to_numpy() for name in CONFIDENCES], 1)
    width = int((classes >= 0).any(0).sum())
    # Only a confidence of exactly 1 is 1,000 per mille.
    per_mille = np.where(confidences < 1, np.minimum(np.rint(np.nan_to_num(confidences) * 1000), 999), 1000)
    return {
        "width": width,
        "likely": classes[:, :width].ravel().tolist(),
        "confidence": per_mille[:, :width].astype(int).ravel().tolist(),
    }


def _flow(flow: np.ndarray, shown: _Shown, sheets: Sheets) -> dict[str, Any]:
    """Encode flow (N, 2, H, W) in pixels: 8 bits, 128 is no flow, and 127 steps are `scale` pixels of the full image.

    The two components lie one above the other: down the rows, then along the columns.
    """
    reduced = _box_average(flow, shown.factor)
    scale = float(np.abs(reduced).max()) or 1.0
    scale = float(f"{scale * 1.001:.4g}")  # never below the largest flow
    steps = (np.rint(reduced / scale * 127) + 128).clip(1, 255).astype(np.uint8)
    count, _, height, width = steps.shape
    return {"scale": scale, **sheets.add(steps.reshape(count, 1, 2 * height, width))}


def _box_average(images: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of factor x factor pixels: (N, C, H, W) to float64. Incomplete blocks repeat the last pixels."""
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (0, -height % factor), (0, -width % factor)), mode="edge")
    count, channels, height, width = padded.shape
    blocks = padded.reshape(count, channels, height // factor, factor, width // factor, factor)
    return blocks.mean((3, 5), dtype=np.float64)


def _largest_reduction(shape: Sequence[int]) -> int:
    """Return the largest power of 2 that leaves the shorter side of images (C, H, W) at least SMALLEST pixels."""
    factor = 1
    while min(shape[1:]) // (2 * factor) >= SMALLEST:
        factor *= 2
    return factor


def _column(values: np.ndarray, digits: int) -> Any:
    """Return the numbers of a column, or the only one if all are the same."""
    rounded = _rounded(values, digits)
    return rounded[0] if rounded and len(set(rounded)) == 1 else rounded


def _rounded(values: np.ndarray, digits: int = 4) -> list[float | int | None]:
    """Round numbers to `digits` significant digits, and replace those that are not finite by None."""
    if np.issubdtype(values.dtype, np.integer):
        return values.tolist()
    return [_short(float(value), digits) for value in values]


def _short(value: float, digits: int) -> float | int | None:
    if not isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def _notes(stored: int, shown: int, count: int, datasets: Iterable[_Shown]) -> Iterable[str]:
    if shown < stored:
        yield (
            f"To keep the page small, it holds {shown:,} of {stored:,} judged adversarial images: of each set those of "
            f"the {count:,} test images with the lowest index."
        )
    for one in datasets:
        if one.factor > 1:
            height, width = one.clean.shape[2:]
            yield (
                f"Images of {one.name} are shown at {height} x {width} pixels, averages of {one.factor} x {one.factor} "
                "pixels. All numbers are those of the full images."
            )


def _set_key(cell: Cell) -> SetKey:
    model, defense = model_and_defense(source_of(cell))
    return cell["dataset"], model, defense, int(cell["seed"]), cell["attack"]


def _victim_key(cell: Cell) -> VictimKey:
    return cell["dataset"], cell["model"], cell["defense"], int(cell["seed"])
