"""Make a model faster while it is attacked, without changing what it computes.

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

TRIED = 2  # images on which a model is tried, a bright one and a dark one
# The most by which an output may change, as a fraction of its difference between these two images. A constant that
# all images share, such as the logit of a masked class, says nothing about how exact the others have to be.
TOLERANCE = 1e-5
SPACINGS = 2  # of floating-point numbers of the size of the output, which may be added to this
# Of the length of a gradient, which changes where rounding moves an activation across the kink of a ReLU.
GRADIENT_TOLERANCE = 0.03
VALUES_AT_ONCE = 2**18  # in the matrix product of a gradient: what the processor's cache holds

Layer = nn.Conv2d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d
Pair = tuple[Layer, Norm]
Forward = Callable[[Tensor], Tensor]
Forwards = Mapping[nn.Module, Forward]
Trial = tuple[list[Tensor], Tensor | None]  # the outputs of a model, and the gradient of a weighted sum of them


@contextmanager
def accelerated(model: nn.Module, shape: Sequence[int]) -> Iterator[None]:
    """Make the passes through a model in eval mode faster inside the block.

    A BatchNorm is folded where the output of a convolution or a linear layer goes to it and nowhere else. This is read
    from the graph of one forward pass, so it does not matter how the model is written. Then the model is tried, forward
    and backward, with the faster layers and without them. Nothing changes if it fails, draws random numbers, or returns
    something else: outputs that differ by more than TOLERANCE or gradients that differ by more than GRADIENT_TOLERANCE.
    Compiled models are left alone.
    Parameters and buffers stay as they are, and other threads see the model as it is. Blocks may be nested.

    shape: (C, H, W) of the images. The images on which the model is tried depend on nothing else, so that the result of
    an attack on an image does not depend on the others.
    """
    layers, norms = _candidates(model)
    narrow = [layer for layer in layers if _is_narrow(layer)]
    used: list[nn.Module] = [*layers, *norms] if layers and norms else [*narrow]
    with _replaceable(used):
        faster = _faster(model, layers if norms else [], norms if layers else [], narrow, shape) if used else {}
        # Modules that stay as they are get an entry as well, so that blocks inside this one do not try them again.
        with _running({**_here.forwards, **{module: _as_it_is(module) for module in used}, **faster}):
            yield


def _candidates(model: nn.Module) -> tuple[list[Layer], list[Norm]]:
    """Return the layers and the BatchNorms that do what their type does, and that no outer block has looked at.

    Hooks could see their inputs and outputs, and a parametrisation computes the weights anew in each pass. A compiled
    model would be compiled again.
    """
    layers: list[Layer] = []
    norms: list[Norm] = []
    for module in model.modules():
        if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
            return [], []
        patched = "forward" in vars(module) and not _is_replaceable(module)
        hooked = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        if patched or hooked or module._backward_pre_hooks or module in _here.forwards:
            continue
        if type(module) in (nn.Conv2d, nn.Linear) and "weight" in module._parameters:
            layers.append(module)  # type: ignore[arg-type]
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d) and not module.training and module.running_mean is not None:
            norms.append(module)  # type: ignore[arg-type]
    return layers, norms


def _faster(
    model: nn.Module, layers: Sequence[Layer], norms: Sequence[Norm], narrow: Sequence[Layer], shape: Sequence[int]
) -> dict[nn.Module, Forward]:
    """Return what to run in place of some of the modules; nothing unless the model computes the same with all of it.

    layers, norms: which may be folded.  narrow: see `_is_narrow`.
    """
    uses = _Uses()
    watched: dict[nn.Module, Forward] = {layer: partial(uses.run_layer, layer) for layer in layers}
    watched |= {norm: partial(uses.run_norm, norm) for norm in norms}
    before = _tried(model, shape, watched)
    faster: dict[nn.Module, Forward] = {layer: partial(_run_as_it_is, layer) for layer in narrow}
    for layer, norm in uses.pairs(before[0]) if before else []:
        faster |= {layer: _fused(layer, norm), norm: _unchanged}
    if before is None or not faster:
        return {}
    after = _tried(model, shape, faster)
    return faster if after is not None and _agree(before, after) else {}


def _tried(model: nn.Module, shape: Sequence[int], forwards: Forwards) -> Trial | None:
    """Return what the model computes for images of this shape; None if it fails, as it may in the attack."""
    images = torch.rand((TRIED, *shape), generator=torch.Generator().manual_seed(0))
    images[1] /= 2
    try:
        with torch.enable_grad(), _running({**_here.forwards, **forwards}):
            like = next(parameter for parameter in model.parameters() if parameter.is_floating_point())
            inputs = images.to(like).requires_grad_()
            outputs = _tensors(model(inputs))
            ends = [output for output in outputs if output.requires_grad]
            weights = [torch.arange(end.numel(), device=end.device).cos().view_as(end).to(end) for end in ends]
            (gradient,) = torch.autograd.grad(ends, inputs, weights, allow_unused=True) if ends else (None,)
    except Exception:  # the caller's model may raise anything
        return None
    return outputs, gradient


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output] if output.is_floating_point() else []
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


@torch.no_grad()
def _agree(before: Trial, after: Trial) -> bool:
    (outputs, gradient), (others, other_gradient) = before, after
    if len(outputs) != len(others) or (gradient is None) != (other_gradient is None):
        return False
    return all(map(_is_close, outputs, others)) and (
        gradient is None
        or other_gradient is None
        or bool((_lengths(gradient - other_gradient) <= GRADIENT_TOLERANCE * _lengths(gradient)).all())
    )


def _is_close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    differs = (one[0] - one[1]) if one.ndim and len(one) == TRIED else one  # a number for the whole batch
    spacing = torch.finfo(torch.float32).eps * one.abs()
    return bool(((one - other).abs() <= TOLERANCE * differs.abs().max() + SPACINGS * spacing).all())


def _lengths(gradients: Tensor) -> Tensor:
    return gradients.flatten(1).norm(dim=1)


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
    """Run a layer with the given parameters."""
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

    generate_vmap_rule = True

    @staticmethod
    def forward(
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        return conv2d(inputs, weight, bias, stride, padding, dilation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        images, weight, _, stride, padding, dilation = inputs
        ctx.save_for_backward(weight)
        ctx.geometry = images.shape[2:], weight.shape[2:], dilation, padding, stride

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
    with _running({}):
        yield


class _Here(local):
    """What the current thread runs in place of the forward passes of some modules."""

    def __init__(self) -> None:
        self.forwards: Forwards = {}


_here = _Here()
_blocks: Counter[nn.Module] = Counter()  # of all threads, in which a module's pass can be replaced
_lock = Lock()


@contextmanager
def _running(forwards: Forwards) -> Iterator[None]:
    kept, _here.forwards = _here.forwards, forwards
    try:
        yield
    finally:
        _here.forwards = kept


@contextmanager
def _replaceable(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let `_here` replace the forward passes of these modules inside the block."""
    with _lock:
        for module in modules:
            _blocks[module] += 1
            module.forward = partial(_forward, module)
    try:
        yield
    finally:
        with _lock:
            for module in modules:
                _blocks[module] -= 1
                if not _blocks[module]:
                    del _blocks[module]
                    if _is_replaceable(module):  # a model may replace or delete it in its forward pass
                        del module.forward


def _is_replaceable(module: nn.Module) -> bool:
    forward = vars(module).get("forward")
    return isinstance(forward, partial) and forward.func is _forward


def _forward(module: nn.Module, input: Tensor) -> Tensor:  # PyTorch names it `input`
    return _here.forwards.get(module, _as_it_is(module))(input)


def _as_it_is(module: nn.Module) -> Forward:
    return partial(type(module).forward, module)
