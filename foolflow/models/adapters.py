"""Layers between a data set's images and a supplied network, all differentiable."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from foolflow.errors import InvalidInput
from foolflow.models.layers import Normalize
from foolflow.models.outputs import logits_of

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R 601-2, as in Pillow's mode "L"


class Grey(nn.Module):
    """Convert RGB to grey by the luminance of ITU-R 601: (N, 3, H, W) to (N, 1, H, W)."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(LUMINANCE).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weights).sum(1, keepdim=True)


class RepeatedGrey(nn.Module):
    """Repeat the grey channel: (N, 1, H, W) to (N, 3, H, W)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.repeat(1, 3, 1, 1)


class ChannelsLast(nn.Module):
    """Copy (N, C, H, W) to (N, H, W, C)."""

    def forward(self, images: Tensor) -> Tensor:
        # Not `contiguous`, which copies nothing if there is one channel.
        return images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)


class Adapted(nn.Module):
    """A supplied network that takes a data set's images and returns float32 logits.

    images: float32 (N, C, H, W) in [0, 1], with `channels` channels.
    takes: the number of the network's channels.  mean, std: applied to those channels.
    layout: NCHW, or NHWC if the network takes (N, H, W, C).  dtype: what the network takes.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        channels: int,
        takes: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        layout: str = "NCHW",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if takes != channels:
            layers.append(Grey() if takes == 1 else RepeatedGrey())
        if mean is not None or std is not None:
            layers.append(Normalize(mean or (0.0,), std or (1.0,)))
        if layout == "NHWC":
            layers.append(ChannelsLast())
        self.input = nn.Sequential(*layers)
        self.network = network
        self.dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        return logits_of(self.raw(images), len(images)).float()

    def raw(self, images: Tensor) -> Any:
        """Return what the network itself returns."""
        return self.network(self.given(images))

    def given(self, images: Tensor) -> Tensor:
        """Return what the network receives. The network may write into it without changing `images`."""
        return self.input(images).to(self.dtype) if len(self.input) else images.to(self.dtype, copy=True)


class Function(nn.Module):
    """A function, or any other callable that is no module, as a module. Raises InvalidInput for anything else.

    The modules that it uses are parts of it (see `modules_of`).
    """

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        if not callable(function):
            raise InvalidInput(f"model: a {type(function).__name__} cannot be called with images")
        self.function = function
        self.used = nn.ModuleList(modules_of(function))

    def forward(self, images: Tensor) -> Any:
        return self.function(images)


def modules_of(function: Callable) -> list[nn.Module]:
    """Return the modules that a callable evidently uses, each once.

    They are the owner of a bound method, the arguments of a `functools.partial`, what a function finds in its closure
    and among the global names in its code, and the attributes of any other object. Modules in lists, tuples and
    slots are not seen, nor those that another function uses which the callable finds by a global name.
    """
    modules: dict[nn.Module, None] = {}
    pending: list[Any] = [function]
    seen: dict[int, Any] = {}  # holds each thing, so that no other gets its id
    while pending:
        thing = pending.pop()
        if id(thing) in seen:  # such as a function that calls itself
            continue
        seen[id(thing)] = thing
        if isinstance(thing, nn.Module):
            modules[thing] = None
        elif isinstance(thing, partial):
            pending += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, MethodType):
            owner = thing.__self__
            pending += [owner] if isinstance(owner, nn.Module) else _modules_in(getattr(owner, "__dict__", {}))
        elif isinstance(thing, FunctionType):
            try:
                variables = inspect.getclosurevars(thing)
            except ValueError:  # one of them has no value yet
                continue
            pending += [*variables.nonlocals.values(), *_modules_in(variables.globals)]
        elif thing is function:
            pending += _modules_in(getattr(thing, "__dict__", {}))
    return list(modules)


def _modules_in(named: Mapping[str, Any]) -> list[nn.Module]:
    return [value for value in named.values() if isinstance(value, nn.Module)]


def as_module(model: Callable[[Tensor], Any]) -> nn.Module:
    """Return the model itself if it is a module, and otherwise a `Function`.

    Raises InvalidInput if it is neither, if it has no weights yet, because its layers are lazy, or if its weights were
    made in inference mode.
    """
    network = model if isinstance(model, nn.Module) else Function(model)
    if any(is_lazy(parameter) for parameter in network.parameters()):
        raise InvalidInput("model: its lazy layers have no weights yet; load them, or run the model on a batch first")
    if any(tensor.is_inference() for tensor in (*network.parameters(), *network.buffers())):
        problem = "model: its weights were made in inference mode, where PyTorch keeps no gradients"
        raise InvalidInput(f"{problem}; create or load it outside of torch.inference_mode()")
    return network


def float_type(network: nn.Module) -> torch.dtype:
    """Return the type of the network's first floating-point parameter, float32 if it has none."""
    tensors = (tensor for tensor in network.parameters() if tensor.is_floating_point())
    return next((tensor.dtype for tensor in tensors), torch.float32)


class OneByOne(nn.Module):
    """A network for a single image, applied to each image of a batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.network(image) for image in images.split(1)])


class Ordered(nn.Module):
    """A network whose outputs are put into another order. order: for each output, the network's."""

    order: Tensor

    def __init__(self, network: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("order", torch.tensor(order))

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).index_select(1, self.order)
