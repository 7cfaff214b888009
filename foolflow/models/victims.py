"""Build, save and load victims. A victim is an architecture, its weights, and the filter of its defense."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from foolflow.data.splits import Split
from foolflow.defenses.filtered import Filtered
from foolflow.defenses.kinds import has_filter
from foolflow.defenses.loading import load_filter
from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory
from foolflow.jobs.error_reporting import line_in_user_file
from foolflow.jobs.files import whole_file
from foolflow.models.architectures import architecture
from foolflow.models.kinds import is_supplied
from foolflow.models.layers import height_and_width
from foolflow.models.supplied import Loaded, load_supplied
from foolflow.workflow.plugins import load_object

Spec = Mapping[str, Any]

SHAPE = ("channels", "size", "classes")
TRIED = 2  # images of the data set on which a supplied network is tried


def build_model(model: Spec, shape: Spec) -> nn.Module:
    """Build an untrained network.

    model: `architecture` (module.Class in foolflow/models) or `python` (path/to/file.py:Class), and `arguments`.
    shape: `channels`, `size` (pixels per side, or [height, width]) and `classes`.
    Raises InvalidInput if the architecture does not exist, does not accept the arguments, or does not map images of
    that shape to (N, classes) logits.
    """
    name, build = _architecture(model)
    try:
        network = build(shape["channels"], shape["size"], shape["classes"], **model.get("arguments", {}))
    except InvalidInput:
        raise
    except Exception as error:  # the user's class may raise anything
        problem = f"model {name} cannot be built for {_describe(shape)}: {in_one_line(error)}"
        raise InvalidInput(f"{problem}{line_in_user_file(error)}") from error
    if not isinstance(network, nn.Module):
        raise InvalidInput(f"model {name} is a {type(network).__name__}, not a torch.nn.Module")
    _check_output(network, f"model {name}", shape)
    return network


def _architecture(model: Spec) -> tuple[str, Any]:
    if "python" in model:
        return model["python"], load_object(model["python"])
    return model["architecture"], architecture(model["architecture"])


def _check_output(network: nn.Module, name: str, shape: Spec) -> None:
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            logits = network(torch.full((2, shape["channels"], *height_and_width(shape["size"])), 0.5))
    except InvalidInput:
        raise
    except Exception as error:  # the user's code may raise anything
        if is_out_of_memory(error):
            raise
        problem = f"{name} fails on images of {_describe(shape)}: {in_one_line(error)}"
        raise InvalidInput(f"{problem}{line_in_user_file(error)}") from error
    finally:
        network.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (2, shape["classes"]):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InvalidInput(f"{name} returns {found} for 2 images; (2, {shape['classes']}) logits are needed")
    if not logits.isfinite().all():
        raise InvalidInput(f"{name} returns logits that are not finite for uniformly grey images")


def _dimensions(shape: Spec) -> tuple[int, int, int, int]:
    """Return the channels, height, width and classes, which do not depend on how `size` is written."""
    return shape["channels"], *height_and_width(shape["size"]), shape["classes"]


def _describe(shape: Spec) -> str:
    channels, height, width, classes = _dimensions(shape)
    return f"{channels} x {height} x {width} pixels and {classes} classes"


def build_victim(model: Spec, defense: Spec, shape: Spec) -> Filtered | nn.Module:
    """Build a network behind the filter of its defense, or the bare network if the defense has no filter.

    Raises InvalidInput as `build_model` and `load_filter` do, or if the filter does not return such images.
    """
    network = build_model(model, shape)
    if not has_filter(defense):
        return network
    victim = Filtered(network, load_filter(defense), at=("train", "test"))
    _check_output(victim, f"defense {defense.get('method', defense.get('python'))}", shape)
    victim.at = frozenset(defense.get("at", ("test",)))
    return victim


def _description(found: Any) -> dict[str, Any]:
    """Return the model, defense and shape that a weights file describes. Anyone may have written it: trust nothing."""
    model, defense, shape = (dict(found[part]) for part in ("model", "defense", "shape"))
    size = shape["size"]
    numbers = [shape["channels"], *(size if isinstance(size, list) and len(size) == 2 else [size]), shape["classes"]]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError(f"invalid shape {shape}")
    kinds = (
        (model, "architecture", str),
        (model, "arguments", dict),
        (defense, "method", str),
        (defense, "parameters", dict),
    )
    if wrong := [key for part, key, kind in kinds if not isinstance(part.get(key, kind()), kind)]:
        raise ValueError(f"invalid {', '.join(wrong)}")
    if not model.keys() & {"architecture", "python"}:
        raise ValueError(f"invalid model {model}")
    if not set(defense.get("at", [])) <= {"train", "test"}:
        raise ValueError(f"invalid at {defense['at']}")
    return {"model": model, "defense": defense, "shape": {key: shape[key] for key in SHAPE}}


def save_victim(path: Path, victim: nn.Module, *, model: Spec, defense: Spec, shape: Spec) -> None:
    """Save the network's weights and what the victim is built from. A filter has no weights."""
    description = {"model": dict(model), "defense": dict(defense), "shape": dict(shape)}
    network = victim.network if isinstance(victim, Filtered) else victim
    # Copies, because the file cannot hold two tensors that share memory, such as tied weights.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    with whole_file(path) as partial:
        save_file(tensors, partial, metadata={"victim": json.dumps(description, sort_keys=True)})


def load_victim(
    path: str | Path,
    *,
    model: Spec | None = None,
    defense: Spec | None = None,
    shape: Spec | None = None,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """Load a trained victim in eval mode. It maps float32 images (N, C, H, W) in [0, 1] to logits (N, classes).

    path: `results/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors`.
    model, defense: as in `build_victim`. They are needed if the victim uses the user's own code, since Foolflow never
    runs code that a weights file names, and for a filter in front of weights that were trained without it.
    shape: the shape of the images to classify, as in `build_model`; None if it is not known yet.
    Attacks that are called directly follow the filter's own gradient, which is 0 where it rounds: see `through_filter`.
    Raises InvalidInput if the file is missing or damaged, or does not match the architecture or the shape.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            description = _description(json.loads((file.metadata() or {})["victim"]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is not a victim saved by foolflow: {in_one_line(error)}") from error
    if shape is not None and _dimensions(description["shape"]) != _dimensions(shape):
        found, needed = _describe(description["shape"]), _describe(shape)
        raise InvalidInput(f"{path} is a victim for {found}; the images have {needed}; train it on this data set")
    for part, given in (("model", model), ("defense", defense)):
        if given is not None:
            description[part] = given
        elif "python" in description[part]:
            raise InvalidInput(f"{path}: its {part} is the user's own code; pass {part}= to load_victim to run it")
    victim = build_victim(description["model"], description["defense"], description["shape"])
    network = victim.network if isinstance(victim, Filtered) else victim
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{path} holds the weights of another architecture: {reason[:400]}") from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InvalidInput(f"{path} holds weights that are not finite; train the victim again")
    # Convolutions on a CPU are twice as fast in this layout (six_conv, float32, one thread: 290 -> 640 images/s).
    return victim.to(device).to(memory_format=torch.channels_last).eval()


def victim_of(
    split: Split, *, model: Spec, defense: Spec, weights: str | Path | None = None, device: str | torch.device = "cpu"
) -> Loaded:
    """Load the victim that classifies the images of `split`: the user's own, or one that was trained here.

    model, defense: as in `load_supplied` and `build_victim`.  weights: of a victim that was trained here.
    Raises InvalidInput as `load_supplied` and `load_victim` do.
    """
    if is_supplied(model):
        return load_supplied(
            model,
            defense=defense,
            channels=split.shape["channels"],
            size=split.shape["size"],
            class_names=split.class_names,
            images=torch.from_numpy(np.array(split.images[:TRIED])),
            device=device,
        )
    if weights is None:
        raise InvalidInput("weights are needed: the model is trained here, and its victim is read from a file")
    victim = load_victim(weights, model=model, defense=defense, shape=split.shape, device=device)
    return Loaded(victim, split.class_names)
