"""Tell which kind of model a config entry is, and which files it is read from, without importing PyTorch."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foolflow.workflow.config.strings import strings

FACTORIES = ("architecture", "python", "torchvision", "timm")  # what builds a network
GRAPHS = ("torchscript", "onnx")  # files that hold one
SUPPLIED = ("weights", *GRAPHS)  # a model with one of these keys is the user's, and is never trained
TRAINING = ("training", "one_seed")  # keys of a model that is trained here

# In an ONNX file, each external tensor names its file: the entry ("location", name) of a protocol buffer.
_LOCATION = re.compile(rb"\x0a\x08location\x12(?=(.))", re.DOTALL)
_LARGEST_GRAPH = 16 * 2**20  # bytes; a graph whose tensors are external is smaller


def is_supplied(model: Mapping[str, Any]) -> bool:
    """Return whether the user supplies the trained model, so that it is neither trained nor written."""
    return any(key in model for key in SUPPLIED)


def without_training(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config entry of a model or a defense without its training."""
    return {key: value for key, value in entry.items() if key not in TRAINING}


def of_one_victim(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a model's config entry concerns each of its victims: all but how many seeds it is trained with."""
    return {key: value for key, value in model.items() if key != "one_seed"}


def model_files(model: Mapping[str, Any]) -> list[str]:
    """Return the files that a model is read from, as the entry names them, without the code of `python`.

    These are the weights or the graph, the external tensors of an ONNX graph, the list of class names, and each
    argument that is the path of an existing file.
    """
    files = [model[key] for key in SUPPLIED if key in model]
    if "onnx" in model:
        files += _external_tensors(Path(model["onnx"]))
    if isinstance(model.get("classes"), str):
        files.append(model["classes"])
    return list(dict.fromkeys([*files, *argument_files(model)]))


def argument_files(*entries: Mapping[str, Any]) -> list[str]:
    """Return each string in the `arguments` or `parameters` of config entries that is the path of an existing file."""
    given = [entry.get(key, {}) for entry in entries for key in ("arguments", "parameters")]
    return list(dict.fromkeys(text for text in strings(given) if _is_file(text)))


def _external_tensors(graph: Path) -> list[str]:
    if not graph.is_file() or graph.stat().st_size > _LARGEST_GRAPH:
        return []
    content = graph.read_bytes()
    names = {content[found.end() + 1 : found.end() + 1 + found[1][0]] for found in _LOCATION.finditer(content)}
    files = sorted(graph.parent / name.decode(errors="replace") for name in names)
    return [str(file) for file in files if file.is_file()]


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a text that cannot be a path
        return False
