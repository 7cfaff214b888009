"""Turn a network that the user supplies into a victim."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.compute.generators import seeded
from foolflow.compute.modes import InDefaults
from foolflow.compute.prediction import to_float
from foolflow.defenses.filtered import Filtered
from foolflow.defenses.kinds import has_filter
from foolflow.defenses.loading import load_filter
from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory
from foolflow.jobs.error_reporting import line_in_user_file
from foolflow.models import onnx_graph, torchscript
from foolflow.models.adapters import Adapted, OneByOne, Ordered, float_type
from foolflow.models.class_order import class_order, read_classes
from foolflow.models.factories import network_with_weights
from foolflow.models.kinds import FACTORIES, GRAPHS
from foolflow.models.layers import height_and_width
from foolflow.models.outputs import (
    WithoutSoftmax,
    are_close,
    are_probabilities,
    ends_in_sigmoid,
    logits_of,
    matrices_in,
    softmax_calls,
)

BATCH_TOLERANCE = 1e-3  # between an image's logits alone and in a batch, relative to the largest
EXACT = 1e-5  # between two forms of the same network

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Loaded:
    """A victim ready to classify, in eval mode. One that the user supplies is frozen as well.

    victim: maps float32 images (N, channels, H, W) in [0, 1] to float32 logits (N, K).
    class_names: of its K outputs; those of the data set come first, in the order of its labels.
    notices: one sentence each, for the user.
    """

    victim: nn.Module
    class_names: tuple[str, ...]
    notices: tuple[str, ...] = ()


def load_supplied(
    model: Spec,
    *,
    defense: Spec | None = None,
    channels: int,
    size: int | Sequence[int],
    class_names: Sequence[str],
    images: Tensor | None = None,
    device: str | torch.device = "cpu",
) -> Loaded:
    """Load the network of a config entry and adapt it to a data set. No file is written, and nothing is downloaded.

    model: `weights` with `architecture`, `python`, `torchvision` or `timm`, and `arguments`; or `torchscript`; or
        `onnx`. Also `mean` and `std` (per channel of the network) and `classes` (names in the order of its outputs).
    defense: {} or a filter that acts at test, as in `build_victim`.
    channels, size: of the data set's images; size is a number of pixels per side or [height, width].
    class_names: of the data set, in the order of its labels.
    images: a few images of the data set to try the network on, as `to_float` takes them.
    Raises InvalidInput if the network cannot be loaded, does not take the images, does not return logits, or if its
    outputs cannot be matched with the classes.
    """
    name, device = describe(model), torch.device(device)
    _check_defense(defense or {}, name)
    full_precision = torch.autocast(device.type, enabled=False)
    with seeded("supplied victim", device=device), torch.inference_mode(False), full_precision:
        height, width = height_and_width(size)
        probes = _probes(channels, height, width, images, device)
        opened = _open(model, channels, size, device, name)
        with torch.no_grad():
            body, logits, notices = _logits_network(opened, model, probes, name)
            order = class_order(class_names, read_classes(model.get("classes")), logits.shape[1])
            if not order.is_identity:
                body = Ordered(body, order.outputs)
            body = body.to(device).eval().requires_grad_(False)
            if opened.is_module:
                body = _in_fast_layout(body, probes.natural, logits[probes.uniform :, list(order.outputs)])
            victim = _behind_filter(body, defense or {}, probes)
    return Loaded(victim, order.names, (*opened.notices, *notices))


def adapt(network: nn.Module, images: np.ndarray, *, device: torch.device) -> Loaded:
    """Adapt a network in memory, which the caller has put in eval mode and frozen. It is not changed.

    images: uint8, or float32 in [0, 1], (N, C, H, W), of which the first two are tried.
    Returns a victim for images of this shape, on `device`, with its outputs' numbers as class names. The filter of a
    `Filtered` stays outside, where `through_filter` finds it.
    Raises InvalidInput if the network does not take the images or does not return logits.
    """
    outer = network.network if isinstance(network, InDefaults) else network
    if isinstance(outer, Filtered):
        body, images_filter = outer.network, outer.images_filter
        if isinstance(network, InDefaults):
            body, images_filter = network.of(body), network.of(images_filter)
        inner = adapt(body, images, device=device)
        return replace(inner, victim=Filtered(inner.victim, images_filter, at=outer.at).eval())
    channels, height, width = images.shape[1:]
    with seeded("supplied victim", device=device), torch.inference_mode(False), torch.no_grad():
        probes = _probes(channels, height, width, to_float(images[:2], device), device)
        opened = _Opened(network, [(channels, "NCHW")], float_type(network), _skipping, is_module=True)
        body, logits, notices = _logits_network(opened, {}, probes, "network")
    return Loaded(body.eval(), tuple(map(str, range(logits.shape[1]))), notices)


def describe(model: Spec) -> str:
    """Return a short name of a model entry for messages, such as `torchvision resnet18`."""
    key = next(key for key in (*FACTORIES, *GRAPHS) if key in model)
    return f"{key} {model[key]}"


def _check_defense(defense: Spec, name: str) -> None:
    if defense and (not has_filter(defense) or "train" in defense.get("at", ["test"])):
        method = defense.get("method", defense.get("python"))
        remedy = "use a filter with at: [test], or train a model here (training:)"
        raise InvalidInput(f"defense {method} needs training, and supplied models ({name}) are never trained; {remedy}")


@dataclass(frozen=True)
class _Probes:
    """Images of the data set's shape. The first ones are grey, black and white, the others real or random."""

    images: Tensor
    uniform: int

    @property
    def natural(self) -> Tensor:
        return self.images[self.uniform :]

    @property
    def one(self) -> Tensor:
        return self.images[-1:]


def _probes(channels: int, height: int, width: int, images: Tensor | None, device: torch.device) -> _Probes:
    random = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(
        device
    )
    given = random[:0] if images is None else to_float(images, device)
    uniform = [torch.full_like(random, value) for value in (0.5, 0.0, 1.0)]
    return _Probes(torch.cat([*uniform, given, random]), len(uniform))


@dataclass(frozen=True)
class _Opened:
    """A network as the user supplies it.

    forms: the numbers of channels and the layouts to try, in this order.  dtype: what it takes.
    without_softmax: called with a network that adapts it, one image and the number of outputs; yields versions of the
        network without one of its softmaxes.
    is_module: whether it consists of PyTorch's own modules.
    """

    network: nn.Module
    forms: Sequence[tuple[int, str]]
    dtype: torch.dtype
    without_softmax: Callable[[Adapted, Tensor, int], Iterator[nn.Module]]
    notices: tuple[str, ...] = ()
    is_module: bool = False


def _open(model: Spec, channels: int, size: int | Sequence[int], device: torch.device, name: str) -> _Opened:
    height, width = height_and_width(size)
    both = _channels_to_try(model, channels)
    if "onnx" in model:
        found = onnx_graph.load_onnx(model["onnx"], channels=both[0], height=height, width=width, device=device)
        return _Opened(
            found.network,
            [(found.takes, found.layout)],
            found.dtype,
            lambda body, image, _: onnx_graph.without_softmax(found, body.given(image)),
            found.notices,
        )
    if "torchscript" in model:
        script = torchscript.load_torchscript(model["torchscript"], device)
        return _Opened(
            script,
            [(takes, layout) for layout in ("NCHW", "NHWC") for takes in both],
            float_type(script),
            lambda *_: torchscript.without_softmax(script),
        )
    network, notices, takes = network_with_weights(model, channels=both[0], size=size, name=name)
    if float_type(network) in (torch.float16, torch.bfloat16):
        network.float()
    network.eval().requires_grad_(False).to(device)
    return _Opened(
        network,
        [(number, "NCHW") for number in (both if takes is None else (takes,))],
        float_type(network),
        _skipping,
        notices,
        is_module=True,
    )


def _channels_to_try(model: Spec, channels: int) -> tuple[int, ...]:
    """Return the numbers of channels that the network may take: that of `mean` and `std`, or the images' own first."""
    for key in ("mean", "std"):
        if len(model.get(key, [0])) not in (1, 3):
            raise InvalidInput(f"{key}: {len(model[key])} numbers; give one, or one for each of the three channels")
    stated = max(len(model.get(key, [0])) for key in ("mean", "std"))
    return (stated,) if stated > 1 else (channels, 4 - channels)


def _skipping(body: Adapted, image: Tensor, outputs: int) -> Iterator[nn.Module]:
    for index in softmax_calls(body.raw, image, outputs):
        yield WithoutSoftmax(body.network, index)


def _logits_network(
    opened: _Opened, model: Spec, probes: _Probes, name: str
) -> tuple[nn.Module, Tensor, tuple[str, ...]]:
    """Return the network between the images and the logits, its logits for the probes, and notices."""
    adapted, alone, notices = _fitted(opened, model, probes, name)
    logits, one_by_one, more = _batched(adapted, alone, probes, name)
    body: nn.Module = OneByOne(adapted) if one_by_one else adapted
    finite = logits.isfinite().all(1)
    if not finite[probes.uniform :].all():
        raise InvalidInput(f"model {name} returns logits that are not finite; check its weights and normalisation")
    notices += more
    if are_probabilities(logits[finite]):
        body, logits = _without_softmax(opened, adapted, one_by_one, logits, probes, name)
        notices.append(f"{name} ends in a softmax; it was removed, since attacks need the logits.")
    elif opened.is_module and _are_fractions(logits[finite]) and ends_in_sigmoid(adapted.raw, probes.one):
        notices.append(f"{name} ends in a sigmoid, whose gradient vanishes where it saturates; supply it without.")
    return body, logits, tuple(notices)


def _are_fractions(logits: Tensor) -> bool:
    return bool(((logits >= 0) & (logits <= 1)).all())


def _fitted(opened: _Opened, model: Spec, probes: _Probes, name: str) -> tuple[Adapted, Tensor, list[str]]:
    """Find the form of input that the network takes. Return the adapted network and its logits for one probe."""
    channels = probes.images.shape[1]
    problem: InvalidInput | None = None
    for takes, layout in opened.forms:
        adapted = Adapted(
            opened.network,
            channels=channels,
            takes=takes,
            mean=model.get("mean"),
            std=model.get("std"),
            layout=layout,
            dtype=opened.dtype,
        )
        adapted = adapted.to(probes.images.device).eval()
        try:
            output = adapted.raw(probes.one)
        except InvalidInput:
            raise
        except Exception as error:  # the user's network may raise anything
            if is_out_of_memory(error):
                raise
            problem = problem or _failed(name, probes, error)
            continue
        notices = [f"{name} takes the images as (N, height, width, channels)."] if layout == "NHWC" else []
        if takes != channels:
            change = "converted to grey (ITU-R 601)" if takes == 1 else "repeated in three channels"
            kind = "grey" if takes == 1 else "RGB"
            notices.append(f"{name} takes {kind} images; the data set's images are {change} inside the victim.")
        if len(found := matrices_in(output)) > 1:
            which = f"the first, with {found[0].shape[1]} columns, is taken as the logits"
            notices.append(f"{name} returns {len(found)} outputs; {which}.")
        return adapted, logits_of(output, 1).float(), notices
    assert problem is not None
    raise problem


def _failed(name: str, probes: _Probes, error: Exception) -> InvalidInput:
    shape = " x ".join(map(str, probes.images.shape[1:]))
    lines = [line for line in str(error).splitlines() if line.strip()]
    # TorchScript shows its code first and the error last.
    reason = lines[-1].strip() if "of TorchScript" in str(error) else in_one_line(error)
    where = line_in_user_file(error)
    remedy = (
        "if it needs another size, resize or crop the images (in a config, with size, resize or crop of the data set)"
    )
    return InvalidInput(f"model {name} fails on images of {shape} pixels: {reason[:300]}{where}; {remedy}")


def _batched(adapted: Adapted, alone: Tensor, probes: _Probes, name: str) -> tuple[Tensor, bool, list[str]]:
    """Return the logits for all probes, whether the network must run image by image, and notices."""
    try:
        logits = adapted(probes.images)
        if are_close(logits[-1:], alone, BATCH_TOLERANCE):
            return logits, False, []
    except Exception as error:  # the user's network may raise anything
        if is_out_of_memory(error):
            raise
    else:
        if not are_close(adapted(probes.one), alone, BATCH_TOLERANCE):
            return logits, False, []  # it is random, which `inspect` reports
    notice = f"{name} handles one image at a time, so a batch runs image by image, which is slow."
    try:
        return OneByOne(adapted)(probes.images), True, [notice]
    except Exception as error:  # the user's network may raise anything
        if isinstance(error, InvalidInput) or is_out_of_memory(error):
            raise
        raise _failed(name, probes, error) from error


def _without_softmax(
    opened: _Opened, adapted: Adapted, one_by_one: bool, probabilities: Tensor, probes: _Probes, name: str
) -> tuple[nn.Module, Tensor]:
    """Return the network without its final softmax, and its logits for the probes."""
    original = adapted.network
    for network in opened.without_softmax(adapted, probes.one, probabilities.shape[1]):
        adapted.network = network
        body = OneByOne(adapted) if one_by_one else adapted
        logits = body(probes.images)
        if not are_probabilities(logits) and _is_softmax(probabilities, logits):
            return body, logits
        adapted.network = original
    problem = f"model {name} ends in a softmax that cannot be removed, and attacks need the logits"
    wrap = "wrap it (in a config, with python:) so that it returns probabilities.log()"
    raise InvalidInput(f"{problem}; supply it without the softmax, or {wrap}")


def _is_softmax(probabilities: Tensor, logits: Tensor) -> bool:
    """Whether the probabilities are the softmax of the logits."""
    if logits.shape != probabilities.shape:
        return False
    chosen = probabilities.gather(1, logits.argmax(1, keepdim=True))[:, 0]
    finite = probabilities.isfinite().all(1)
    same_class = (chosen >= probabilities.amax(1) - EXACT)[finite].all()
    return bool(same_class) and torch.allclose(logits.softmax(1)[finite], probabilities[finite], rtol=0, atol=EXACT)


def _in_fast_layout(body: nn.Module, images: Tensor, wanted: Tensor) -> nn.Module:
    """Store the weights in channels_last, as `load_victim` does, unless that changes the logits from `wanted`."""
    body.to(memory_format=torch.channels_last)
    try:
        if are_close(body(images), wanted, EXACT):
            return body
    except Exception as error:  # code that reshapes by strides
        if is_out_of_memory(error):
            raise
    return body.to(memory_format=torch.contiguous_format)


def _behind_filter(body: nn.Module, defense: Spec, probes: _Probes) -> nn.Module:
    if not has_filter(defense):
        return body
    victim = Filtered(body, load_filter(defense), at=defense.get("at", ("test",))).eval()
    method = defense.get("method", defense.get("python"))
    try:
        logits = victim(probes.natural)
    except InvalidInput:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InvalidInput(f"defense {method} fails on the data set's images: {in_one_line(error)}") from error
    if not logits.isfinite().all():
        raise InvalidInput(f"defense {method}: the logits for filtered images are not finite")
    return victim
