"""Read the weights that a user supplies, and fit them to a network. No file is ever written or executed."""

import json
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")

State = dict[str, Tensor]

# Keys under which training programs save the weights, and those of their moving average.
PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
AVERAGED = ("model_ema", "state_dict_ema", "ema_state_dict", "ema_model", "params_ema", "ema")

# What wrappers put in front of each name: DataParallel, torch.compile, Lightning and the like.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")

PROFILING = ("total_ops", "total_params")  # entries that the profiler thop leaves behind

LISTED = 3  # names in an error message

ONE = torch.ones(())


@dataclass(frozen=True)
class Weights:
    """The tensors of a file.

    shape: if the file is a victim saved by Foolflow, the number of channels and [height, width] of the images, and the
        number of classes.
    notices: one sentence each, for the user.
    """

    path: str
    tensors: State
    shape: tuple[int, list[int], int] | None = None
    notices: tuple[str, ...] = ()


def read_weights(path: str) -> Weights:
    """Read a state dict, on the CPU: `.safetensors`, or another of `ENDINGS` through `torch.load(weights_only=True)`.

    Raises InvalidInput if the file is missing, damaged, something else than weights, or holds NaN.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(f"{path} does not exist; check the path of weights:")
    if file.suffix.lower() not in ENDINGS:
        raise InvalidInput(f"{path} has an unknown ending; weights: reads {', '.join(ENDINGS)}{_other_key(file)}")
    with file.open("rb") as content:
        if content.read(23) == b"version https://git-lfs":
            raise InvalidInput(f"{path} is a pointer of Git LFS and not the file itself; run: git lfs pull")
    weights = _read_safetensors(file) if file.suffix.lower() == ".safetensors" else _read_checkpoint(file)
    for name, tensor in weights.tensors.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise InvalidInput(f"{path} holds weights that are not finite ({name}); use another checkpoint")
    return weights


def _other_key(file: Path) -> str:
    return {".onnx": "; use onnx: for this file", ".torchscript": "; use torchscript: for this file"}.get(
        file.suffix.lower(), ""
    )


def _read_safetensors(file: Path) -> Weights:
    try:
        with safe_open(file, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (not a mapping)
            metadata = content.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InvalidInput(f"{file} is not a safetensors file: {in_one_line(error)}; save it again") from error
    return Weights(str(file), tensors, _shape_of_victim(metadata))


def _shape_of_victim(metadata: Mapping[str, str]) -> tuple[int, list[int], int] | None:
    """Return the shape in the description that `save_victim` writes, or None. Anyone may have written it."""
    try:
        shape = json.loads(metadata["victim"])["shape"]
        channels, size, classes = shape["channels"], shape["size"], shape["classes"]
    except (KeyError, TypeError, ValueError):
        return None
    sides = size if isinstance(size, list) else [size, size]
    whole = all(type(number) is int and number > 0 for number in (*sides, classes))
    return (channels, sides, classes) if channels in (1, 3) and len(sides) == 2 and whole else None


def _read_checkpoint(file: Path) -> Weights:
    if _is_torchscript(file):
        raise InvalidInput(f"{file} is a TorchScript archive and not a state dict; use torchscript: for this file")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidInput(_refused(file, str(error))) from error
    except Exception as error:  # a damaged file may raise anything
        if is_out_of_memory(error):
            raise
        raise InvalidInput(f"{file} is not a file saved by torch.save, or it is damaged; save it again") from error
    tensors, notices = _state_dict(file, content)
    return Weights(str(file), tensors, notices=notices)


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _refused(file: Path, reason: str) -> str:
    """Explain what `torch.load(weights_only=True)` did not read."""
    try:
        names = [str(name) for name in torch.serialization.get_unsafe_globals_in_checkpoint(file)]
    except Exception:  # the format before PyTorch 1.6, or a damaged file
        names = re.findall(r"GLOBAL (\S+) was not", reason)
    if any(name.startswith(("torch.nn.modules.", "torchvision.models.", "timm.models.")) for name in names):
        remedy = 'save its state dict where it was trained: torch.save(model.state_dict(), "x.pth")'
        return f"{file} is a whole pickled module, which could run any code; {remedy}"
    if names:
        remedy = 'save only the tensors where it was trained: torch.save(model.state_dict(), "x.pth")'
        return f"{file} holds other objects than tensors ({', '.join(sorted(names)[:LISTED])}); {remedy}"
    return f"{file} is not a file saved by torch.save; give a state dict: torch.save(model.state_dict(), 'x.pth')"


def _state_dict(file: Path, content: Any) -> tuple[State, tuple[str, ...]]:
    """Find the state dict in what a training program saved."""
    if isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors, ()
        averaged = [key for key in AVERAGED if _has_tensors(content.get(key))]
        for key in PLAIN:
            if _has_tensors(content.get(key)):
                found, notices = _state_dict(file, content[key])
                return found, (*notices, *_about_average(file, key, averaged))
        if averaged:
            found, notices = _state_dict(file, content[averaged[0]])
            return found, (*notices, f"{file}: the weights are those of the moving average, {averaged[0]!r}.")
        if tensors:  # a state dict with something besides the tensors, such as the version of the program
            return tensors, ()
    shown = f"the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else _type(content)
    raise InvalidInput(f'{file} holds {shown} and no state dict; save one: torch.save(model.state_dict(), "x.pth")')


def _about_average(file: Path, taken: str, averaged: Sequence[str]) -> Iterable[str]:
    if averaged:
        yield f"{file}: the weights are those under {taken!r}; the moving average under {averaged[0]!r} is not used."


def _has_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(part, Tensor) or _has_tensors(part) for part in value.values())


def _type(value: Any) -> str:
    return "a tensor" if isinstance(value, Tensor) else f"an object of type {type(value).__name__}"


def named_for(weights: Weights, names: Iterable[str]) -> Weights:
    """Return `weights` with the names that a network with these `names` uses: the prefixes of wrappers are removed.

    Raises InvalidInput if several prefixes that are none of `PREFIXES` could be removed.
    """
    known = set(names)
    tensors = {name: value for name, value in weights.tensors.items() if not name.endswith(PROFILING)}
    best = tensors
    for candidate in _without_prefixes(tensors):
        if len(candidate.keys() & known) > len(best.keys() & known):
            best = candidate
    notices = list(weights.notices)
    others = _prefixes_that_fit(tensors, known) if _needed(known) - best.keys() else []
    if len(others) > 1:
        remedy = "save those of one network, under the names that it uses"
        raise InvalidInput(f"{weights.path} holds weights that fit under {' and '.join(others)}; {remedy}")
    for prefix in others:
        best = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        notices.append(f"{weights.path}: the names begin with {prefix}, which was removed.")
    if left := len(tensors) - len(best):
        notices.append(f"{weights.path}: {left} tensors that do not belong to the network are not used.")
    return Weights(weights.path, best, weights.shape, tuple(notices))


def _needed(known: Iterable[str]) -> set[str]:
    return {name for name in known if not name.endswith("num_batches_tracked")}


def _prefixes_that_fit(tensors: State, known: Iterable[str]) -> list[str]:
    """Return each prefix, such as `student.`, under which there is a tensor for every name of the network."""
    needed = _needed(known)
    some = f".{min(needed)}" if needed else ""
    prefixes = [name.removesuffix(some) + "." for name in tensors if some and name.endswith(some)]
    return [prefix for prefix in prefixes if all(prefix + name in tensors for name in needed)]


def _without_prefixes(tensors: State) -> Iterable[State]:
    """Yield `tensors` with ever more prefixes removed. Tensors without the prefix do not belong to the network."""
    tensors = {name.replace("._orig_mod.", "."): value for name, value in tensors.items()}
    pending = [tensors]
    while pending:
        current = pending.pop(0)
        yield current
        for prefix in PREFIXES:
            shorter = {name.removeprefix(prefix): value for name, value in current.items() if name.startswith(prefix)}
            if shorter:
                pending.append(shorter)


def other_number_of_classes(network: nn.Module, weights: Weights) -> int | None:
    """Return the number of classes of the weights if it is all that differs from the network, else None.

    The tensors of a classifier's last layer, and those of its auxiliary classifiers, begin with that number.
    """
    own = network.state_dict()
    pairs = [(own[name].shape, tensor.shape) for name, tensor in weights.tensors.items() if name in own]
    others = [(needed, given) for needed, given in pairs if needed != given]
    numbers = {(needed[:1], given[:1]) for needed, given in others if needed[1:] == given[1:]}
    if len(numbers) != 1 or any(needed[1:] != given[1:] for needed, given in others):
        return None
    ((_, classes),) = numbers
    return classes[0] if classes else None


def last_width(weights: Weights) -> int | None:
    """Return the number of outputs of the last linear layer of a sequential network, or None if there is none."""
    layers = [name for name, tensor in weights.tensors.items() if tensor.ndim == 2 and name.endswith("weight")]
    if not layers:
        return None
    last = max(layers, key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])
    return len(weights.tensors[last])


def load_into(network: nn.Module, weights: Weights, name: str) -> None:
    """Copy the weights into a network, as float32 if it is float32.

    Raises InvalidInput if a tensor is missing, left over, of another shape or not finite.
    """
    if problem := _difference(network, weights):
        raise InvalidInput(f"{weights.path} does not fit {name}: {problem}")
    infinite = [key for key, _ in network.named_parameters() if not weights.tensors.get(key, ONE).isfinite().all()]
    if infinite:
        raise InvalidInput(f"{weights.path} holds weights that are not finite ({infinite[0]}); use another checkpoint")
    state = network.state_dict()  # with the versions of its modules, which safetensors files do not have
    state.update(weights.tensors)
    try:
        network.load_state_dict(state)
    except Exception as error:  # a network may load its weights by its own code
        raise InvalidInput(f"{weights.path} does not fit {name}: {in_one_line(error)[:300]}") from error


def _difference(network: nn.Module, weights: Weights) -> str | None:
    """Explain in a few words what differs between a network's tensors and those of a file."""
    own, given = network.state_dict(), weights.tensors
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in given if name not in own]
    others = [name for name in given if name in own and _shape(own[name]) != _shape(given[name])]
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensors are missing ({_listed(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} are unknown ({_listed(unexpected)})")
    if others:
        name = others[0]
        parts.append(f"{_short(name)} is {_shape(given[name])}, the network needs {_shape(own[name])}")
    if not parts:
        return None
    classes = other_number_of_classes(network, weights)
    if classes is not None and not missing and not unexpected:
        cause = f"the weights have {classes} classes; set their number in arguments"
    else:
        cause = "the weights are of another architecture, other arguments or another image size"
    return f"{'; '.join(parts)}; {cause}"


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape) if isinstance(tensor, Tensor) else ()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_short, names[:LISTED])) + (", ..." if len(names) > LISTED else "")


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"...{name[-37:]}"
