"""Run an attack from the config on one victim, batch by batch."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, check_adversarial, unstack
from foolflow.attacks.counting import passes_counted
from foolflow.attacks.kinds import size_name, sizes
from foolflow.attacks.loading import load_attack
from foolflow.attacks.norms import measures_distance
from foolflow.attacks.selection import select
from foolflow.attacks.shards import share
from foolflow.compute.acceleration import accelerated
from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.freezing import frozen
from foolflow.compute.generators import seeded
from foolflow.compute.memory import in_halves_if_needed
from foolflow.compute.prediction import to_float
from foolflow.compute.randomness import TRIED, draws_of, expected
from foolflow.data.adversarial import (
    MEASURED,
    REQUIRED,
    AdversarialSet,
    load_set,
    stored_type,
    to_stored,
)
from foolflow.data.splits import Split
from foolflow.data.tensors import Layout, TensorWriter, write_tensors
from foolflow.defenses.filtered import through_filter
from foolflow.errors import InvalidInput
from foolflow.jobs.costs import passes
from foolflow.jobs.progress import Progress

BATCH_SIZE = 250  # of small images; see `default_batch_size`


def run_attack(
    victim: nn.Module,
    split: Split,
    entry: Mapping[str, Any],
    device: torch.device,
    path: Path,
    *,
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> AdversarialSet:
    """Attack the images that the config entry selects, with its method and parameters.

    split: the test split.
    entry: the attack's entry in the config. With `samples` above 1, the attack sees the mean of that many passes of the
        victim; with `auto`, the default, of DRAWS passes of a random victim and of one pass of any other. Whether the
        victim is random and, with `filter_gradient: auto`, whether its filter has a gradient, shows on the first TRIED
        images of the selection.
    path: the file to write, batch by batch, so that memory does not grow with the number of images.
    shard: (i, k) runs the i-th (from 0) of k nearly equal parts of the batches. The batches, and the result for each
        image, are the same for every k. A shard may be empty. `shards.gather` combines the shards.
    If a batch does not fit in memory, it is attacked in halves. Random numbers that a victim draws during an attack
    depend only on the batch; a halved batch draws other numbers than the whole.
    Raises InvalidInput if the attack fails, or returns anything except images of the same shape in [0, 1], and if the
    file cannot be written.
    """
    selection = select(split.labels, len(split.class_names), entry)
    each = sizes(entry)
    epsilons = each if size_name(entry) == "epsilon" else [None] * len(each)  # a strength is a detail of the attack
    shape = split.images.shape[1:]
    exact = measures_distance(entry)
    dtype = np.dtype(np.float32) if exact else stored_type(len(each) * len(selection.indices), shape)
    batch_size = entry.get("batch_size") or default_batch_size(BATCH_SIZE, shape)
    firsts = share(range(0, len(selection.indices), batch_size), *shard)
    batches = [range(first, min(first + batch_size, len(selection.indices))) for first in firsts]
    first = np.unique(selection.indices)[:TRIED]  # the same ones for every shard; an image may have several targets
    first_images = to_float(split.images[first], device)
    samples = _samples(victim, first_images, entry)
    model = expected(victim, samples)
    in_all = len(each) * passes(entry, len(split.class_names), draws=samples).forward
    progress = progress or Progress("attack", "batches")
    progress.begin(len(batches))

    def attack(batch: range) -> list[dict[str, np.ndarray]]:
        """Return the tensors of this part of the selection, at each size."""
        rows = slice(batch.start, batch.stop)
        indices = selection.indices[rows]
        clean = to_float(split.images[indices], device)
        truth = torch.from_numpy(split.labels[indices]).to(device)
        targets = None if selection.targets is None else torch.from_numpy(selection.targets[rows]).to(device)
        with seeded("attack", batch.start, device=device):
            at_each = list(_attack_at_each(model, clean, truth, targets, entry, each))
        for adversarial in at_each:
            check_adversarial(adversarial, clean)
            _check_details(adversarial)
        return [
            _tensors(adversarial, indices, epsilon, targets, dtype)
            for adversarial, epsilon in zip(at_each, epsilons, strict=True)
        ]

    with ExitStack() as stack:
        stack.enter_context(frozen(victim))  # first, since acceleration tries the layers as they will run
        stack.enter_context(accelerated(victim, shape))
        if batches:
            with seeded("filter", device=device):  # which may draw random numbers
                # Not for each batch, so that no result depends on the other images of a batch.
                stack.enter_context(through_filter(victim, entry.get("filter_gradient", "own"), first_images))
        rows = _Rows(sum(map(len, batches)), len(each))
        for done, batch in enumerate(batches):

            def report(count: int, done: int = done, size: int = len(batch)) -> None:
                progress.update(done + min(count / (in_all * size), 0.99))

            with passes_counted(victim, report):
                parts = in_halves_if_needed(attack, batch, progress.write)
            for part in parts:
                if rows.writer is None:
                    rows.open(stack, path, part[0])
                rows.write(part)
            progress.update(done + 1)
        if not batches:
            rows.open(stack, path, _no_images(shape, dtype))
    return load_set(path)


def _samples(victim: nn.Module, images: Tensor, entry: Mapping[str, Any]) -> int:
    """Return how many passes the attack averages over. images: of the selection."""
    samples = entry.get("samples", "auto")
    return draws_of(victim, images) if samples == "auto" else samples


class _Rows:
    """The rows of a shard: first all `count` images at the first size, then those at the next."""

    def __init__(self, count: int, sizes: int) -> None:
        self.count, self.sizes = count, sizes
        self.writer: TensorWriter | None = None
        self._layout: Layout = {}
        self._done = 0

    def open(self, stack: ExitStack, path: Path, tensors: Mapping[str, np.ndarray]) -> None:
        """Start writing. The first batch shows which details the attack has."""
        rows = self.count * self.sizes
        self._layout = {name: (tensor.dtype, (rows, *tensor.shape[1:])) for name, tensor in tensors.items()}
        self.writer = stack.enter_context(write_tensors(path, self._layout))

    def write(self, part: list[dict[str, np.ndarray]]) -> None:
        """Append the tensors of the next images, at each size."""
        assert self.writer is not None
        for rank, tensors in enumerate(part):
            found = {name: (tensor.dtype, tensor.shape[1:]) for name, tensor in tensors.items()}
            expected = {name: (dtype, shape[1:]) for name, (dtype, shape) in self._layout.items()}
            if found != expected:
                names = sorted({name for name, _ in found.items() ^ expected.items()})
                raise InvalidInput(f"the attack returns other details in one batch than in another: {', '.join(names)}")
            for name, tensor in tensors.items():
                self.writer.write(name, rank * self.count + self._done, tensor)
        self._done += len(part[0]["index"])


def _check_details(made: Adversarial) -> None:
    """Raise InvalidInput if a detail has the name of something that is always measured by Foolflow."""
    if reserved := sorted(made.details.keys() & {*REQUIRED, *MEASURED}):
        names = ", ".join(reserved)
        raise InvalidInput(f"the attack returns details that Foolflow measures itself: {names}; rename them")


def _tensors(
    adversarial: Adversarial, indices: np.ndarray, epsilon: float | None, targets: Tensor | None, dtype: np.dtype
) -> dict[str, np.ndarray]:
    count = len(indices)
    return {
        "images": to_stored(adversarial.images.cpu().numpy(), dtype),
        "index": indices.astype(np.int64),
        "epsilon": np.full(count, np.nan if epsilon is None else float(epsilon)),
        "target": np.full(count, -1) if targets is None else targets.cpu().numpy(),
        "iterations": _plain(adversarial.iterations),
        "gradient_evaluations": _plain(adversarial.gradient_evaluations),
        **{name: _plain(detail) for name, detail in adversarial.details.items()},
    }


def _plain(tensor: Tensor) -> np.ndarray:
    """Return a tensor of a user's or our attack in one of the types that are stored."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        return (tensor if tensor.dtype == torch.float64 else tensor.float()).numpy()
    return (tensor if tensor.dtype in (torch.bool, torch.uint8) else tensor.long()).numpy()


def _no_images(shape: tuple[int, ...], dtype: np.dtype) -> dict[str, np.ndarray]:
    none = np.zeros(0, np.int64)
    return {
        "images": np.zeros((0, *shape), dtype),
        "epsilon": np.zeros(0),
        **dict.fromkeys(("index", "target", "iterations", "gradient_evaluations"), none),
    }


def _attack_at_each(
    victim: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    entry: Mapping[str, Any],
    each: list,
) -> Iterator[Adversarial]:
    """Yield the result at each size. Only Foolflow's own attacks accept several sizes at once."""
    given = {} if targets is None else {"targets": targets}
    if "method" in entry and ":" not in entry["method"] and len(each) > 1:
        made = load_attack(entry, each)(victim, images, labels, **given)
        for rank in range(len(each)):
            yield unstack(made, rank)
    else:
        for size in each:
            yield load_attack(entry, size)(victim, images, labels, **given)
