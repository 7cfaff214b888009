"""How robust is a classifier on these images? `foolflow.evaluate` answers without the workflow."""

import inspect
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from foolflow.attacks.border import EXCESS
from foolflow.attacks.inspection import inspect as facts_about
from foolflow.attacks.judging import classify, judge
from foolflow.attacks.kinds import size_name, sizes
from foolflow.attacks.loading import built_in, load_attack
from foolflow.attacks.norms import NORMS, epsilon_norm, has_ball, minimised_norm
from foolflow.attacks.running import run_attack
from foolflow.attacks.selection import select
from foolflow.attacks.standard import CONTROLS, is_within, needs_gradient, standard_attacks
from foolflow.compute.freezing import frozen
from foolflow.compute.modes import in_defaults, usual_modes
from foolflow.compute.randomness import DRAWS
from foolflow.data.adversarial import AdversarialSet, from_stored
from foolflow.data.readers.npz import remedy_for_labels
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput
from foolflow.jobs.progress import Progress
from foolflow.models.adapters import as_module
from foolflow.models.supplied import adapt
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.summary import CLEAN, WORST, Tried, headline, summarise, warnings_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The keys of a config entry: one of the first, and any of the others.
NAMING = {"method", "python"}
OTHERS = {"parameters", "images", "per_class", "targets", "batch_size", "filter_gradient", "samples"}

ALLOWED = dict.fromkeys(("images", "per_class", "batch_size"), "a whole number from 1") | {
    "samples": "auto, or a whole number from 1",
    "targets": "random, all, or a class as a whole number from 0",
}

# The name of a standard attack; or, by any name, a config entry or a function(model, images, labels) -> images.
Attacks = str | Sequence[str] | Mapping[str, Mapping[str, Any] | Callable[..., Any]]


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    norm, epsilon: the ball of the worst case.  warnings: sentences about the model and the numbers.
    class_names: of the model's outputs.
    """

    norm: str
    epsilon: float
    warnings: Sequence[str]
    class_names: Sequence[str]
    _split: Split
    _table: pd.DataFrame
    _tried: Sequence[Tried]
    _sets: Mapping[str, AdversarialSet]
    _folder: Any  # holds the adversarial images until this object is deleted

    def summary(self) -> pd.DataFrame:
        """Return one row for the clean images, one for each attack and one for the worst case.

        The columns are those of `foolflow.statistics.summary.summarise` (rates, intervals, n and, if an attack
        minimises a distance, medians), and `warnings`.
        """
        return self._table.copy()

    @property
    def worst_case(self) -> float:
        """The fraction of images that are classified correctly under every attack within epsilon; NaN without one."""
        rows = self._table[self._table["attack"] == WORST]
        return float("nan") if rows.empty else float(rows["accuracy"].iloc[0])

    def records(self, attack: str) -> pd.DataFrame:
        """Return one row per image of an attack: see `foolflow.attacks.judging.judge`."""
        return self._one(attack).records.copy()

    def images(self, attack: str) -> np.ndarray:
        """Return the adversarial images of an attack, in the order of its records: float32 (N, C, H, W) in [0, 1]."""
        self._one(attack)
        return self._sets[attack].images(slice(None))

    def show(self, count: int = 8) -> "Figure":
        """Draw images under attack: original, perturbation and adversarial image, with classes and confidences."""
        from foolflow.figures.examples import draw, example
        from foolflow.figures.fonts import set_fonts
        from foolflow.statistics.examples import choose

        counting = [one for one in self._tried if one.counts and one.name not in CONTROLS] or self._tried
        records = {one.name: one.records for one in counting}
        norms = {one.name: one.epsilon_norm for one in counting}
        shown = []
        for attack, row in choose(records, Budget(self.norm, self.epsilon), norms, count):
            record = records[attack].iloc[row]
            clean = from_stored(self._split.images[record["index"]])
            (adversarial,) = self._sets[attack].images(slice(row, row + 1))
            shown.append(example(record, clean, adversarial, self.class_names, attack))
        figure = draw(f"Attacked within {ball_in_words(self.norm, self.epsilon)}", shown)
        set_fonts(figure)
        return figure

    def __repr__(self) -> str:
        return headline(self._table, "The model", ball_in_words(self.norm, self.epsilon))

    def _one(self, attack: str) -> Tried:
        for one in self._tried:
            if one.name == attack:
                return one
        raise InvalidInput(f"attack {attack!r} was not run; there are {', '.join(one.name for one in self._tried)}")


def evaluate(
    model: Callable[[Tensor], Any],
    images: Any,
    labels: Any = None,
    *,
    epsilon: float = 8 / 255,
    norm: str = "linf",
    attacks: Attacks = "standard",
    class_names: Sequence[str] | None = None,
    progress: bool = True,
) -> Evaluation:
    """Attack a classifier and summarise how robust it is.

    model: maps float32 images (N, C, H, W) in [0, 1] to logits (N, classes), or to a tuple, a dict or an object that
        holds them. Normalisation belongs in the model. A final softmax is removed, or rejected if it cannot be.
        The model runs in eval mode, on the device of its parameters, and is left as it was.
    images: (N, C, H, W), float in [0, 1] or uint8: a tensor or an array, on any device; or a DataLoader, or any other
        iterable of batches (images, labels), without `labels`. All images are kept in memory.
    labels: (N,), the indices of the true outputs.
    epsilon, norm: the ball of the worst case and of the standard attacks: pixel units; `linf` or `l2`.
    attacks: `standard`; a list of the names of standard attacks (`foolflow.attacks.standard.standard_attacks`); or a
        dict of a name and a config entry ({"method": "pgd", "parameters": {...}}) or a function(model, images, labels)
        that returns adversarial images or an `Adversarial`.
    class_names: of the model's outputs (default: their numbers).  progress: whether to report on standard error.
    Attacks that need a gradient are left out if the model has none, with a warning. If the model is random, attacks and
    predictions are those of the mean of several passes, with a warning, too.
    Adversarial images are written to a temporary folder, which is removed with the result.
    Raises InvalidInput if the images, the labels, norm, epsilon, the model's output or an attack are not as described,
    and if the attacks that count have no image in common.
    """
    is_number = isinstance(epsilon, Real | Tensor) and not isinstance(epsilon, bool) and np.ndim(epsilon) == 0
    if norm not in NORMS or not is_number or not 0 < epsilon < np.inf or (norm == "linf" and epsilon > 1):
        raise InvalidInput(
            f"norm {norm!r}: linf or l2; epsilon {epsilon!r}: a number above 0, for linf at most 1, such as 8 / 255"
        )
    pixels, truth = _collected(images, labels)
    if pixels.dtype == np.uint8 and pixels.max() == 1:
        raise InvalidInput("images: uint8 from 0 to 1, where white is 255; multiply by 255, or give them as floats")
    entries = _entries(attacks, norm, epsilon)
    network = as_module(model)
    device = next((tensor.device for tensor in network.parameters()), _device_of(images))
    with usual_modes(device) as defaults, frozen(network), torch.no_grad():
        network = in_defaults(network, defaults)
        found = adapt(network, pixels, device=device)
        outputs = len(found.class_names)
        names = tuple(class_names) if class_names is not None else found.class_names
        if len(names) != outputs or truth.min() < 0 or truth.max() >= outputs:
            ranges = f"{len(names)} class_names, labels from {truth.min()} to {truth.max()}"
            remedy = "; subtract 1 from the labels" if truth.min() == 1 and truth.max() == outputs else ""
            raise InvalidInput(f"{ranges}; the model has {outputs} outputs, 0 to {outputs - 1}{remedy}")
        split = Split(pixels, truth, names)
        return _evaluated(found.victim, split, entries, norm, epsilon, device, found.notices, progress)


def _evaluated(
    victim: nn.Module,
    split: Split,
    entries: Mapping[str, Mapping[str, Any]],
    norm: str,
    epsilon: float,
    device: torch.device,
    notices: Sequence[str],
    progress: bool,
) -> Evaluation:
    def report(line: str) -> None:
        if progress:
            print(line, file=sys.stderr, flush=True)

    facts = facts_about(victim, split, split.class_names, device, report=report)
    report(f"clean: {facts['correct']:,} of {facts['n']:,} images are classified correctly")
    draws = DRAWS if facts["random"] else 1
    clean = classify(victim, split.images, device, draws=draws, report=report)
    folder = tempfile.TemporaryDirectory(prefix="foolflow-")
    tried: list[Tried] = []
    sets: dict[str, AdversarialSet] = {}
    left_out = [name for name, entry in entries.items() if needs_gradient(entry) and not facts["differentiable"]]
    entries = {name: entry for name, entry in entries.items() if name not in left_out}
    _check_common_images(entries, split, norm)
    for name, entry in entries.items():
        watch = Progress(name, "batches", report)
        sets[name] = run_attack(
            victim, split, entry, device, Path(folder.name) / f"{len(sets)}.safetensors", progress=watch
        )
        records = judge(victim, split, clean, sets[name], device, origin=name, draws=draws, report=report)
        tried.append(Tried(name, records, is_within(entry, norm), minimised_norm(entry), epsilon_norm(entry)))
        right = (records["prediction"] == records["label"]).mean()
        report(f"{name}: {right:.1%} of {len(records):,} images are still classified correctly")
    budget = Budget(norm, epsilon)
    warnings = [*notices, *facts["warnings"]]
    if left_out:
        warnings.append(f"not run, because the model has no gradient: {', '.join(left_out)}")
    table = summarise(facts["n"], facts["correct"], tried, budget)
    by_row = {CLEAN: warnings} | warnings_of(tried, budget)
    table["warnings"] = ["; ".join(by_row.get(name, [])) for name in table["attack"]]
    said = list(dict.fromkeys(line for lines in by_row.values() for line in lines))
    return Evaluation(norm, epsilon, said, split.class_names, split, table, tried, sets, folder)


def _check_common_images(entries: Mapping[str, Mapping[str, Any]], split: Split, norm: str) -> None:
    """Raise InvalidInput if the attacks that count have no image in common. Checks this before any of them runs."""
    chosen = {
        name: set(select(split.labels, len(split.class_names), entry).indices)
        for name, entry in entries.items()
        if is_within(entry, norm)
    }
    if chosen and not set.intersection(*chosen.values()):
        raise InvalidInput(
            f"attacks: {', '.join(chosen)} have no image in common, so there is no worst case; change their images, "
            "per_class or targets"
        )


def _entries(attacks: Attacks, norm: str, epsilon: float) -> dict[str, Mapping[str, Any]]:
    standard = standard_attacks(norm, epsilon)
    if isinstance(attacks, Mapping):
        entries = {name: _entry(name, one) for name, one in attacks.items()}
        for name, entry in entries.items():
            listed = sizes(entry)
            same_norm = has_ball(entry) and epsilon_norm(entry) == norm
            if same_norm and len(listed) > 1 and min(listed) > Budget(norm, epsilon).largest:
                raise InvalidInput(f"attack {name!r}: none of its epsilons {listed} is within {epsilon:.4g}")
        return entries
    if not isinstance(attacks, Iterable):
        kind = type(attacks).__name__
        raise InvalidInput(f"attacks: a {kind}; give a list of names, or a dict of names and functions or entries")
    listed = list(standard) if attacks == "standard" else [attacks] if isinstance(attacks, str) else list(attacks)
    if not listed or (unknown := [name for name in listed if not isinstance(name, str) or name not in standard]):
        wrong = ", ".join(map(repr, unknown)) if listed else "nothing"
        raise InvalidInput(f"attacks: {wrong} is not among the standard attacks: {', '.join(standard)}")
    return {name: standard[name] for name in listed}


def _entry(name: str, given: Any) -> Mapping[str, Any]:
    """Return a caller's attack as a config entry. Raises InvalidInput unless it exists and takes its parameters."""
    through = {"filter_gradient": "auto"}  # as of the standard attacks
    if callable(given):
        return through | {"function": given}
    keys = set(given) if isinstance(given, Mapping) else set()
    if len(keys & NAMING) != 1 or keys - NAMING - OTHERS or not isinstance(given.get("parameters", {}), Mapping):
        needed = f"{' or '.join(sorted(NAMING))}, and perhaps {', '.join(sorted(OTHERS))}"
        raise InvalidInput(f"attack {name!r}: {given!r} is neither a function nor a dict with {needed}")
    if not sizes(given):
        raise InvalidInput(f"attack {name!r}: {size_name(given)} is an empty list")
    _check_selection(name, given)
    load_attack(given, sizes(given)[0])
    if "method" in given and ":" not in given["method"]:
        targets = {"targets": None} if "targets" in given else {}
        try:
            inspect.signature(built_in(given["method"])).bind(
                None, None, None, **given.get("parameters", {}), **targets
            )
        except TypeError as error:
            raise InvalidInput(f"attack {name!r}: {given['method']}: {error}") from error
    return through | dict(given)


def _check_selection(name: str, given: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless the keys of an entry that say what is attacked, and how, are as in a config."""
    samples, targets = given.get("samples", "auto"), given.get("targets", "random")
    wrong = [key for key in ("images", "per_class", "batch_size") if key in given and not _is_whole(given[key], 1)]
    if not (samples == "auto" or _is_whole(samples, 1)):
        wrong.append("samples")
    if not (targets in ("random", "all") or _is_whole(targets, 0)):
        wrong.append("targets")
    if wrong:
        raise InvalidInput(f"attack {name!r}: {wrong[0]}: {given[wrong[0]]!r}; {ALLOWED[wrong[0]]}")
    if "images" in given and "per_class" in given:
        raise InvalidInput(f"attack {name!r}: images and per_class exclude each other")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _collected(images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, uint8 or float32 in [0, 1], and the labels, int64."""
    if labels is not None:
        return _pixels(_array(images)), _classes(_array(labels), len(images))
    if isinstance(images, Tensor | np.ndarray) or not isinstance(images, Iterable):
        raise InvalidInput("labels: missing; give labels, or batches of images and labels such as a DataLoader")
    parts = []
    for batch in images:
        if not isinstance(batch, Sequence) or len(batch) < 2:
            raise InvalidInput(f"a batch is a {type(batch).__name__}; (images, labels) are needed")
        parts.append((_pixels(_array(batch[0])), _classes(_array(batch[1]), len(batch[0]))))
    if not parts:
        raise InvalidInput("images: there are none")
    if len({(pixels.shape[1:], pixels.dtype) for pixels, _ in parts}) > 1:
        raise InvalidInput("images: the batches differ in shape or type; resize the images first")
    return np.concatenate([pixels for pixels, _ in parts]), np.concatenate([truth for _, truth in parts])


def _array(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
    return np.asarray(values)


def _pixels(images: np.ndarray) -> np.ndarray:
    if images.ndim != 4 or len(images) == 0:
        raise InvalidInput(f"images: shape {images.shape}; (N, C, H, W) with at least one image is needed")
    if images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        remedy = "transpose them to (N, C, H, W), and permute inside the model if it takes (N, H, W, C)"
        raise InvalidInput(f"images: shape {images.shape} is (N, H, W, C); {remedy}")
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise InvalidInput(f"images: {images.dtype}; uint8, or floats in [0, 1] are needed")
    low, high = float(images.min()), float(images.max())
    if not (low >= -EXCESS and high <= 1 + EXCESS):  # written so that NaN fails, too
        remedy = "divide by 255" if low >= 0 and high > 2 else "normalise inside the model"
        raise InvalidInput(f"images: they go from {low:.4g} to {high:.4g}; [0, 1] is needed; {remedy}")
    return images.astype(np.float32).clip(0, 1)


def _classes(labels: np.ndarray, count: int) -> np.ndarray:
    remedy = remedy_for_labels(labels.shape)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise InvalidInput(f"labels: {labels.dtype} of shape {labels.shape}; {count} whole numbers are needed{remedy}")
    return labels.astype(np.int64)


def _device_of(images: Any) -> torch.device:
    return images.device if isinstance(images, Tensor) else torch.device("cpu")
