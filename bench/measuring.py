"""Measure the success, the distances, the passes, the memory and the time of each contender."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.contenders import OURS, Contender, Task
from foolflow.attacks.base import Adversarial, is_success
from foolflow.attacks.peers.running import Counted
from foolflow.errors import in_one_line

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PASSES = 5
LONG = 20.0  # seconds; a contender that takes longer is timed once
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Problem:
    """The victim, in eval mode with frozen weights, and the images to attack, all on one device.

    right: bool (N,), whether the victim classifies the image correctly.
    batch_size: that of every contender that works in batches.
    clock: a key of CLOCKS. `cpu` is the process's own time, which other programs do not affect; use it with one thread.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    targets: Tensor
    right: Tensor
    classes: int
    batch_size: int
    clock: str = "wall"

    def batches(self, count: int | None, targeted: bool) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield the batches of the first `count` images: images, labels, and targets or None."""
        for rows in torch.arange(len(self.images))[:count].split(self.batch_size):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            yield self.images[part], self.labels[part], self.targets[part] if targeted else None


def pose(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int, clock: str = "wall") -> Problem:
    """Freeze the model and build the problem. The target of each image is the class after its label.

    images: float32 (N, C, H, W) in [0, 1].
    """
    model.eval().requires_grad_(False)
    with torch.no_grad():
        logits = model(images)
    classes = logits.shape[1]
    right = logits.argmax(1) == labels
    return Problem(model, images, labels, (labels + 1) % classes, right, classes, batch_size, clock)


@dataclass
class Measured:
    """Measurements of one contender on the M images that it was given.

    distances: (M,), NaN where it does not fool an image that the victim classifies correctly.
    success: the share of the correctly classified images that are fooled.
    gradients, forwards: backward and forward passes through the victim, per image.
    memory: peak bytes in addition to what was in use before; NaN where the system does not report it.
    seconds: the time of each repeat.
    ours: the time of our attack on the same M images in each repeat.
    floors, gradient_floors: for each repeat, the time that bare passes take at the best batch size: all passes of the
        contender, or one forward and one backward pass for each of its gradients.
    """

    contender: Contender
    count: int
    distances: Tensor
    success: float
    gradients: float
    forwards: float
    memory: float
    seconds: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    gradient_floors: list[float] = field(default_factory=list)


def measure(problem: Problem, task: Task, repeats: int, report: Callable[[str], None]) -> list[Measured]:
    """Run each contender once to count its passes and judge its images, then time all contenders in turn.

    A contender that takes longer than LONG is timed in the first turn alone. One that attacks fewer images than ours is
    compared with ours on those images, since a larger batch is faster.
    """
    measured = []
    for contender in task.contenders:
        if contender.missing:
            report(contender.missing)
            continue
        report(f"{task.name}: {contender.name}")
        try:
            measured.append(_inspect(problem, task, contender))
        except Exception as error:  # another library's attack may raise anything
            if contender.library == OURS:
                raise
            report(f"{contender.name} is left out: {in_one_line(error)[:200]}")
    size = _best_batch_size(problem)
    for _ in range(repeats):
        ours: dict[int, float] = {}
        for one in measured:
            if one.seconds and one.seconds[0] > LONG:
                continue
            forward, backward = _bare_passes(problem, size)
            one.floors.append(one.count * (one.forwards * forward + one.gradients * backward))
            one.gradient_floors.append(one.count * one.gradients * (forward + backward))
            if one.count not in ours:
                ours[one.count] = _timed(problem, task, replace(measured[0].contender, images=one.count))
            one.seconds.append(ours[one.count] if one is measured[0] else _timed(problem, task, one.contender))
            one.ours.append(ours[one.count])
    return measured


def _timed(problem: Problem, task: Task, contender: Contender) -> float:
    return _seconds(problem, partial(_attack, problem, task, contender, Counted(problem.model, problem.classes)))


def _inspect(problem: Problem, task: Task, contender: Contender) -> Measured:
    counted = Counted(problem.model, problem.classes)
    made: list[tuple[Tensor, Mapping[str, Tensor]]] = []
    memory = _peak_memory(problem, lambda: made.extend(_attack(problem, task, contender, counted)))
    adversarial = torch.cat([images for images, _ in made])
    count = len(adversarial)
    clean, right = problem.images[:count], problem.right[:count]
    with torch.no_grad():
        predictions = torch.cat([problem.model(part).argmax(1) for part in adversarial.split(problem.batch_size)])
    fooled = right & is_success(predictions, problem.labels[:count], problem.targets[:count] if task.targeted else None)
    if task.distance in ("l2", "linf"):
        order = 2 if task.distance == "l2" else torch.inf
        distances = (adversarial - clean).flatten(1).norm(p=order, dim=1).double()
    else:
        distances = torch.cat([details[task.distance] for _, details in made]).double()
    return Measured(
        contender,
        count,
        distances.where(fooled, torch.nan).cpu(),
        (fooled.sum() / right.sum()).item(),
        counted.gradients / count,
        counted.queries / count,
        memory,
    )


def _attack(
    problem: Problem, task: Task, contender: Contender, model: Counted
) -> list[tuple[Tensor, Mapping[str, Tensor]]]:
    """Return the images and the details of each batch.

    If the contender does not classify its images, this function does, so that every contender's time includes it.
    """
    assert contender.attack is not None
    made = []
    for images, labels, targets in problem.batches(contender.images, task.targeted):
        one = contender.attack(model, images, labels, targets)
        if isinstance(one, Adversarial):
            made.append((one.images, one.details))
            continue
        if not contender.judged:
            with torch.no_grad():
                is_success(model(one).argmax(1), labels, targets)
        made.append((one.detach(), {}))
    return made


def _seconds(problem: Problem, call: Callable[[], object]) -> float:
    clock = CLOCKS[problem.clock]
    _synchronise(problem)
    start = clock()
    call()
    _synchronise(problem)
    return clock() - start


def _synchronise(problem: Problem) -> None:
    if problem.images.is_cuda:
        torch.cuda.synchronize()


def _best_batch_size(problem: Problem) -> int:
    sizes = [size for size in (2**power for power in range(4, 16)) if size < len(problem.images)]
    return min([*sizes, len(problem.images)], key=lambda size: sum(_bare_passes(problem, size)))


def _bare_passes(problem: Problem, size: int) -> tuple[float, float]:
    """Return the seconds per image of a forward pass and of a backward pass, in batches of `size`."""
    images, labels = problem.images[:size], problem.labels[:size]

    def forward() -> None:
        with torch.no_grad():
            problem.model(images)

    def both() -> None:
        inputs = images.clone().requires_grad_()
        torch.autograd.grad(cross_entropy(problem.model(inputs), labels, reduction="sum"), inputs)

    alone, with_backward = (
        statistics.median(_seconds(problem, call) for _ in range(PASSES)) / len(images) for call in (forward, both)
    )
    return alone, max(with_backward - alone, 0.0)


def _peak_memory(problem: Problem, call: Callable[[], object]) -> float:
    """Return the peak memory of the call in bytes, in addition to what was in use before it."""
    if problem.images.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = float(torch.cuda.memory_allocated())
        call()
        return torch.cuda.max_memory_allocated() - before
    if not CLEAR.exists():  # only Linux can reset the peak
        call()
        return torch.nan
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # otherwise, reused memory would not count
    CLEAR.write_text("5")
    resident = _resident("VmRSS")
    call()
    return _resident("VmHWM") - resident


def _resident(key: str) -> float:
    lines = STATUS.read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(key))
