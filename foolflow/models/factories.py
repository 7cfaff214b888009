"""Build the network of a model entry and load the user's weights into it. Nothing is ever downloaded."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from foolflow.errors import InvalidInput, is_out_of_memory
from foolflow.models.architectures import architecture
from foolflow.models.extras import import_extra
from foolflow.models.layers import height_and_width
from foolflow.models.weights import Weights, last_width, load_into, named_for, other_number_of_classes, read_weights
from foolflow.workflow.plugins import failed, load_object

# Arguments that would load other weights than the user's.
LOADING = ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "checkpoint_path", "pretrained_cfg")

# Networks of torchvision that normalise their input again if they were made from torchvision's own weights, and the
# names of their auxiliary classifiers, which a state dict may lack.
INCEPTIONS = {"inception_v3": "AuxLogits.", "googlenet": "aux1."}


def network_with_weights(
    model: Mapping[str, Any], *, channels: int, size: Any, name: str
) -> tuple[nn.Module, tuple[str, ...], int | None]:
    """Build a network and load its weights.

    model: a config entry with one of `foolflow.models.kinds.FACTORIES`, `weights` and `arguments`.
    channels, size: of the images, for our own architectures.  name: of the network, for error messages.
    Returns the network, notices for the user, and the number of channels that it was built for (None: not known).
    Raises InvalidInput if the network cannot be built or the weights do not fit it.
    """
    weights = read_weights(model["weights"])
    arguments = dict(model.get("arguments", {}))
    if "architecture" in model:
        return _ours(model["architecture"], arguments, weights, channels, size, name)
    if "python" in model:
        network = _called(lambda **given: load_object(model["python"])(**given), arguments, name)
        return *_loaded(network, weights, name), None
    build, notices = _torchvision(model, weights) if "torchvision" in model else _timm(model)
    network = _called(build, arguments, name)
    if "num_classes" not in arguments:
        classes = other_number_of_classes(network, named_for(weights, network.state_dict()))
        if classes is not None:
            network = _called(build, arguments | {"num_classes": classes}, name)
    network, more = _loaded(network, weights, name)
    return network, (*more, *notices, *_about_normalisation(model, name)), None


def _about_normalisation(model: Mapping[str, Any], name: str) -> Iterator[str]:
    if "mean" not in model and "std" not in model:
        yield (
            f"{name} has neither mean nor std, so it gets pixels in [0, 1] as they are; if it was trained on "
            "normalised images, as the published weights were, give both."
        )


def _loaded(network: nn.Module, weights: Weights, name: str) -> tuple[nn.Module, tuple[str, ...]]:
    named = named_for(weights, network.state_dict())
    load_into(network, named, name)
    return network, named.notices


def _called(build: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> nn.Module:
    try:
        network = build(**arguments)
    except InvalidInput:
        raise
    except Exception as error:  # the user's code or a library may raise anything
        if is_out_of_memory(error):
            raise
        raise failed(f"model {name}: building it with arguments {dict(arguments)}", error) from error
    if not isinstance(network, nn.Module):
        raise InvalidInput(f"model {name} is a {type(network).__name__}; the function must return a torch.nn.Module")
    return network


def _ours(
    architecture_name: str, arguments: Mapping[str, Any], weights: Weights, channels: int, size: Any, name: str
) -> tuple[nn.Module, tuple[str, ...], int]:
    """Build one of our architectures for the images' channels or, if the weights do not fit, for the other number."""
    build = architecture(architecture_name)
    sides = list(height_and_width(size))
    trained = weights.shape
    if trained is not None and trained[1] != sides:
        problem = f"{weights.path} is a victim for images of {trained[1][0]} x {trained[1][1]} pixels"
        raise InvalidInput(f"{problem}; set size: {trained[1]} for the data set")
    classes = last_width(weights) if trained is None else trained[2]
    if classes is None:
        raise InvalidInput(f"{weights.path} does not fit {name}: it has no linear layer")
    shape = {"size": sides[0] if sides[0] == sides[1] else sides, "classes": classes}
    problems = []
    for number in (trained[0],) if trained is not None else (channels, 4 - channels):
        try:
            network = _called(build, {"channels": number, **shape, **arguments}, name)
            return *_loaded(network, weights, name), number
        except InvalidInput as error:
            problems.append(error)
    raise problems[0]


def _torchvision(model: Mapping[str, Any], weights: Weights) -> tuple[Callable[..., Any], tuple[str, ...]]:
    from torchvision import models

    name, arguments = model["torchvision"], model.get("arguments", {})
    try:
        builder = models.get_model_builder(name)
    except ValueError as error:
        raise InvalidInput(f"torchvision has no model {name!r}; see torchvision.models.list_models()") from error
    _check_loads_nothing(arguments)
    fixed: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        fixed["weights_backbone"] = None
    notices = []
    if name in INCEPTIONS:
        has_auxiliary = any(INCEPTIONS[name] in key for key in weights.tensors)
        fixed |= {"init_weights": False} | ({} if "aux_logits" in arguments else {"aux_logits": has_auxiliary})
        if "transform_input" not in arguments:
            notices.append(
                f"{name} is built with transform_input: false; if it was trained from torchvision's own weights,"
                " add arguments: { transform_input: true }."
            )
    return lambda **given: models.get_model(name, **fixed, **given), tuple(notices)


def _timm(model: Mapping[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
    timm = import_extra("timm")
    name = model["timm"]
    _check_loads_nothing(model.get("arguments", {}))
    if ":" in name or not timm.is_model(name.partition(".")[0]):
        raise InvalidInput(f"timm has no model {name!r}; see timm.list_models()")
    return lambda **given: timm.create_model(name, pretrained=False, **given), ()


def _check_loads_nothing(arguments: Mapping[str, Any]) -> None:
    for name in LOADING:
        if arguments.get(name):
            raise InvalidInput(f"arguments: {name} would load other weights; nothing is downloaded, so use weights:")
