"""Take the logits from whatever a supplied network returns, and find out what they are."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from foolflow.errors import InvalidInput

ROW_TOLERANCE = 1e-3  # of the sum of a row of probabilities
MASKED = 1e3  # times the size of the two highest logits, 1 at least: one that lies farther below masks its class

SOFTMAX = (
    torch.softmax,
    torch.Tensor.softmax,
    torch.special.softmax,
    nn.functional.softmax,
)
SIGMOID = (torch.sigmoid, torch.Tensor.sigmoid, torch.special.expit, nn.functional.sigmoid)

WRAP = "wrap the network (in a config, with python: file.py:function) so that it returns (N, classes) logits"


def logits_of(output: Any, count: int) -> Tensor:
    """Return the logits in a network's output for `count` images: (N, K) with K of at least 2.

    output: a tensor; an object with `.logits`; a dict with `logits` or `out`, or with a single tensor; a list or tuple,
        of which the first tensor with two dimensions counts if no other has its shape. Dimensions of size 1 at the end
        are dropped, and one at the start is added for a single image, since some networks end in `squeeze()`.
    Raises InvalidInput for anything else.
    """
    logits = _tensor_in(output)
    if logits is None:
        raise InvalidInput(f"the network returns {_described(output)}; {WRAP}")
    if count == 1 and logits.ndim == 1 and len(logits) > 1:
        logits = logits[None]
    while logits.ndim > 2 and logits.shape[-1] == 1:
        logits = logits.squeeze(-1)
    if logits.shape in ((count,), (count, 1)):
        join = "stack" if logits.ndim == 1 else "cat"
        remedy = f"wrap it (in a config, with python:) so that it returns two logits, torch.{join}([0 * z, z], 1)"
        raise InvalidInput(f"the network returns one number per image; if z is that number before a sigmoid, {remedy}")
    if logits.ndim != 2 or len(logits) != count:
        raise InvalidInput(f"the network returns {tuple(logits.shape)} for {count} images; {WRAP}")
    return logits


def _tensor_in(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        named = [output[key] for key in ("logits", "out") if isinstance(output.get(key), Tensor)]
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        return named[0] if named else tensors[0] if len(tensors) == 1 else None
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, list | tuple):
        matrices = matrices_in(output)
        alike = [matrix for matrix in matrices if matrix.shape == matrices[0].shape]
        return alike[0] if len(alike) == 1 else None
    return None


def matrices_in(output: Any) -> list[Tensor]:
    """Return the tensors with two dimensions in a list or tuple, among which `logits_of` has to choose."""
    if not isinstance(output, list | tuple):
        return []
    return [value for value in output if isinstance(value, Tensor) and value.ndim == 2]


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a dict of {', '.join(map(str, list(output)[:5]))}"
    if shapes := [tuple(matrix.shape) for matrix in matrices_in(output)]:
        return f"{len(shapes)} tensors, of which {shapes.count(shapes[0])} have the shape {shapes[0]}"
    return f"a {type(output).__name__}"


def is_masked(logits: Tensor) -> Tensor:
    """Return which of the logits (N, K) only mask their class, as -1e9 does: bool (N, K). K is at least 2.

    They say nothing about the size of the other logits, nor about their rounding errors.
    """
    highest = logits.topk(2, dim=1).values
    return highest[:, :1] - logits > MASKED * highest.abs().amax(1, keepdim=True).clamp_min(1)


def are_close(found: Tensor, wanted: Tensor, tolerance: float) -> bool:
    """Return whether logits (N, K) agree.

    tolerance: relative to the largest logit that is wanted, finite and not masked. Each logit may also differ by this
        share of itself, because masked ones can be much larger.
    """
    finite = wanted.nan_to_num(posinf=0, neginf=0)
    scale = float(finite.masked_fill(is_masked(finite), 0).abs().max())
    return found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=tolerance, atol=tolerance * scale, equal_nan=True
    )


def are_probabilities(logits: Tensor) -> bool:
    """Return whether each row is non-negative and sums to 1, as after a softmax."""
    return bool((logits >= 0).all() and ((logits.sum(1) - 1).abs() < ROW_TOLERANCE).all())


class WithoutSoftmax(nn.Module):
    """A network in which one call of softmax, the one with this index, returns its input."""

    def __init__(self, network: nn.Module, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, images: Tensor) -> Any:
        with _Skip(self.index) as mode:
            output = self.network(images)
        if mode.calls <= self.index:
            raise InvalidInput("the network does not apply its final softmax in each call; remove it from its code")
        return output


class _Skip(TorchFunctionMode):
    def __init__(self, index: int) -> None:
        super().__init__()
        self.index, self.calls = index, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in SOFTMAX:
            self.calls += 1
            if self.calls == self.index + 1:
                return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)


class _Record(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.softmax_sizes: list[int] = []
        self.last_sigmoid: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in SOFTMAX:
            self.softmax_sizes.append(result.numel())
        elif func in SIGMOID:
            self.last_sigmoid = result
        return result


def softmax_calls(network: Callable[[Tensor], Any], images: Tensor, elements: int) -> list[int]:
    """Return the indices of the calls of softmax that produce this number of elements, the last one first."""
    with torch.no_grad(), _Record() as record:
        network(images)
    return [index for index, size in enumerate(record.softmax_sizes) if size == elements][::-1]


def ends_in_sigmoid(network: Callable[[Tensor], Any], images: Tensor) -> bool:
    """Return whether the network's logits are the result of a sigmoid."""
    with torch.no_grad(), _Record() as record:
        output = network(images)
    return record.last_sigmoid is not None and _tensor_in(output) is record.last_sigmoid
