"""Make a model faster while it is attacked, without a change of what it computes.

Folded BatchNorms: in eval mode a BatchNorm multiplies each channel by a constant and adds another. Multiplied into the
weights of the convolution before it, it costs nothing, in either direction.

The gradient with respect to the images: on a CPU, PyTorch pads the few channels of images to a whole vector, so this
one gradient can take as long as all others. A matrix product does not pad.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock, local
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.functional import conv2d, fold, linear

from foolflow.compute.generators import seeded

TOLERANCE = 1e-5  # of the largest logit: the most by which folding may change a logit
TRIED = 2  # images on which a model is tried
VALUES_AT_ONCE = 2**18  # in the matrix product of a gradient: what the processor's cache holds

Layer = nn.Conv2d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d
Pair = tuple[Layer, Norm]
Forward = Callable[[Tensor], Tensor]


@contextmanager
def accelerated(model: nn.Module, shape: Sequence[int]) -> Iterator[None]:
    """Make the passes through a model in eval mode faster inside the block.

    A BatchNorm is folded where the output of a convolution or a linear layer goes to it and nowhere else. This is read
    from the graph of one forward pass, so it does not matter how the model is written. No BatchNorm is folded if the
    model fails, or if folding changes its logits by more than TOLERANCE.
    Parameters and buffers stay as they are, and other threads see the model as it is. Blocks may be nested.

    shape: (C, H, W) of the images. The images on which the model is tried depend on nothing else, so that the result of
    an attack on an image does not depend on the others.
    """
    layers, norms = _candidates(model)
    narrow = [layer for layer in layers if _is_narrow(layer)]
    used = [*layers, *norms] if layers and norms else narrow
    with _replaceable(used):
        pairs = _pairs(model, layers, norms, shape) if used is not narrow else []
        for layer in narrow:
            _here.forwards[layer] = partial(_run_as_it_is, layer)
        for layer, norm in pairs:
            _here.forwards[layer] = _fused(layer, norm)
            _here.forwards[norm] = _unchanged
        yield


def _candidates(model: nn.Module) -> tuple[list[Layer], list[Norm]]:
    """Return the layers and the BatchNorms that do what their type does, and are not folded already.

    Hooks could see their inputs and outputs, and a parametrisation computes the weights anew in each pass.
    """
    layers: list[Layer] = []
    norms: list[Norm] = []
    for module in model.modules():
        patched = "forward" in vars(module) and module not in _replaceables
        hooked = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        if patched or hooked or module._backward_pre_hooks or module in _here.forwards:
            continue
        if type(module) in (nn.Conv2d, nn.Linear) and "weight" in module._parameters:
            layers.append(module)  # type: ignore[arg-type]
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d) and not module.training and module.running_mean is not None:
            norms.append(module)  # type: ignore[arg-type]
    return layers, norms


def _pairs(model: nn.Module, layers: Sequence[Layer], norms: Sequence[Norm], shape: Sequence[int]) -> list[Pair]:
    """Return the pairs of a layer and the BatchNorm that alone receives its output, if all of them can be folded."""
    uses = _Uses()
    for layer in layers:
        _here.forwards[layer] = partial(uses.run_layer, layer)
    for norm in norms:
        _here.forwards[norm] = partial(uses.run_norm, norm)
    with torch.enable_grad():
        before = _outputs(model, shape)
    pairs = uses.pairs(before)
    for module in [*layers, *norms]:
        del _here.forwards[module]
    for layer, norm in pairs:
        _here.forwards[layer] = _fused(layer, norm)
        _here.forwards[norm] = _unchanged
    with torch.no_grad():
        after = _outputs(model, shape) if pairs else []
    for pair in pairs:
        for module in pair:
            del _here.forwards[module]
    return pairs if _agree(before, after) else []


def _outputs(model: nn.Module, shape: Sequence[int]) -> list[Tensor]:
    """Return the tensors that the model returns for images of this shape; none if it fails, as the attack will."""
    like = next(model.parameters())
    images = torch.rand((TRIED, *shape), generator=torch.Generator().manual_seed(0)).to(like)
    try:
        with seeded("folding", device=like.device):
            return _tensors(model(images))
    except Exception:  # the caller's model may raise anything
        return []


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _agree(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    return len(before) == len(after) and all(
        one.shape == other.shape and bool((one - other).abs().max() <= TOLERANCE * one.abs().max())
        for one, other in zip(before, after, strict=True)
    )


class _Uses:
    """Records where the outputs of the layers go in one forward pass."""

    def __init__(self) -> None:
        self._calls: Counter[nn.Module] = Counter()
        self._outputs: dict[int, tuple[Layer, Tensor, Node]] = {}  # by the id of the output
        self._followed: list[tuple[Layer, Norm, Node]] = []  # a layer, its BatchNorm, and the node of the output

    def run_layer(self, layer: Layer, inputs: Tensor) -> Tensor:
        self._calls[layer] += 1
        output = _run(layer, inputs, layer.weight.detach().requires_grad_(), layer.bias)
        if output.grad_fn is not None:
            self._outputs[id(output)] = (layer, output, output.grad_fn)
        return output

    def run_norm(self, norm: Norm, inputs: Tensor) -> Tensor:
        self._calls[norm] += 1
        if id(inputs) in self._outputs:
            layer, _, node = self._outputs[id(inputs)]
            fits = isinstance(layer, nn.Conv2d) == isinstance(norm, nn.BatchNorm2d) and inputs.ndim in (2, 4)
            if fits and inputs.grad_fn is node:  # another node if it was changed in place
                self._followed.append((layer, norm, node))
        return type(norm).forward(norm, inputs)

    def pairs(self, outputs: Sequence[Tensor]) -> list[Pair]:
        """Return the pairs in which layer and BatchNorm run once, and the graph uses the layer's output once."""
        uses = _uses([output.grad_fn for output in outputs if output.grad_fn is not None])
        return [
            (layer, norm)
            for layer, norm, node in self._followed
            if self._calls[layer] == self._calls[norm] == uses[node] == 1
        ]


def _uses(roots: Sequence[Node]) -> Counter[Node]:
    """Count for each node of a graph how often other nodes use its result."""
    uses: Counter[Node] = Counter()
    seen, pending = set(roots), list(roots)
    while pending:
        for node, _ in pending.pop().next_functions:
            if node is not None:
                uses[node] += 1
                if node not in seen:
                    seen.add(node)
                    pending.append(node)
    return uses


def _fused(layer: Layer, norm: Norm) -> Forward:
    """Return the function that takes the input of the layer and returns the output of the BatchNorm."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    offset = -norm.running_mean.double() if layer.bias is None else layer.bias.double() - norm.running_mean.double()
    if norm.affine:
        factor = factor * norm.weight.double()
        offset = offset * factor + norm.bias.double()
    else:
        offset = offset * factor
    weight = layer.weight.detach()
    weight = weight * factor.detach().to(weight).view(-1, *[1] * (weight.ndim - 1))
    return partial(_run, layer, weight=weight, bias=offset.detach().to(weight))


def _run(layer: Layer, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Run a layer with other parameters."""
    if isinstance(layer, nn.Linear):
        return linear(inputs, weight, bias)
    wanted = torch.is_grad_enabled() and inputs.requires_grad and not weight.requires_grad
    exact = weight.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    if wanted and exact and inputs.device.type == "cpu" and inputs.ndim == 4 and _is_narrow(layer):
        return _NarrowConvolution.apply(inputs, weight, bias, layer.stride, layer.padding, layer.dilation)
    return layer._conv_forward(inputs, weight, bias)


def _run_as_it_is(layer: Layer, inputs: Tensor) -> Tensor:
    return _run(layer, inputs, layer.weight, layer.bias)


def _is_narrow(layer: Layer) -> bool:
    """Whether the gradient with respect to the layer's input is faster as a matrix product: with few input channels.

    Measured from 1 to 8 input and 10 to 128 output channels (docs/scaling.md).
    """
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and layer.out_channels >= 20 * (layer.in_channels - 1)
    )


class _NarrowConvolution(torch.autograd.Function):
    """A convolution whose gradient with respect to its input is a matrix product."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.geometry = inputs.shape[2:], weight.shape[2:], dilation, padding, stride
        return conv2d(inputs, weight, bias, stride, padding, dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        outputs = gradients[0].flatten(2)
        columns = weight.flatten(1).t()
        at_once = max(1, VALUES_AT_ONCE // (len(columns) * outputs.shape[2]))
        inputs = [fold(columns @ part, *ctx.geometry) for part in outputs.split(at_once)]
        return torch.cat(inputs), None, None, None, None, None


def _unchanged(inputs: Tensor) -> Tensor:
    return inputs


@contextmanager
def unaccelerated() -> Iterator[None]:
    """Run models as they are inside the block. On a decision boundary, the rounding of a folded layer can decide."""
    kept, _here.forwards = _here.forwards, {}
    try:
        yield
    finally:
        _here.forwards = kept


class _Here(local):
    """What the current thread runs in place of the forward passes of some modules."""

    def __init__(self) -> None:
        self.forwards: dict[nn.Module, Forward] = {}


_here = _Here()
_replaceables: Counter[nn.Module] = Counter()  # the blocks, of all threads, in which a module's pass can be replaced
_lock = Lock()


@contextmanager
def _replaceable(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let `_here` replace the forward passes of these modules inside the block."""
    with _lock:
        for module in modules:
            _replaceables[module] += 1
            module.forward = partial(_forward, module)
    try:
        yield
    finally:
        with _lock:
            for module in modules:
                _here.forwards.pop(module, None)
                _replaceables[module] -= 1
                if not _replaceables[module]:
                    del _replaceables[module], module.forward


def _forward(module: nn.Module, input: Tensor) -> Tensor:  # PyTorch names it `input`
    replacement = _here.forwards.get(module)
    return type(module).forward(module, input) if replacement is None else replacement(input)
