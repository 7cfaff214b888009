"""Check the names, files and parameters in the data sets, models, defenses, detectors and attacks of a config."""

import os
from collections.abc import Iterator
from pathlib import Path

from foolflow.attacks.kinds import corruption_problem
from foolflow.defenses.kinds import has_filter
from foolflow.models.kinds import SUPPLIED, TRAINING, model_files
from foolflow.workflow.config.calls import (
    factory_problems,
    method_problems,
    model_problems,
    onnx_problems,
    peer_problems,
    python_problems,
    takes_targets,
)
from foolflow.workflow.config.datasets import braces, dataset_problems
from foolflow.workflow.config.names import Config, missing_file, unknown
from foolflow.workflow.config.strings import strings

# Names that would be taken for a column or a row of a table.
RESERVED = {
    "models": ("attack", "dataset", "defense", "model", "n", "seed", "source"),
    "attacks": ("all", "clean", "n"),
}


def reference_problems(config: Config) -> Iterator[str]:
    """Yield one line for each name that refers to nothing, missing file, or invalid parameter.

    config: valid by the schema, with its defaults filled in.
    """
    for kind, names in RESERVED.items():
        for name in names:
            if name in config[kind]:
                yield f"{kind}.{name}: tables have a column or a row of this name; choose another one"
    named = list(strings(config["studies"]))
    studied = {*named, *(text.partition("/")[0] for text in named)}  # model/defense names a model
    yield from _results_problems(Path(config["results"]))
    for name, dataset in config["datasets"].items():
        yield from dataset_problems(f"datasets.{name}", dataset, needed=name in studied)
    for name, model in config["models"].items():
        yield from _model_problems(f"models.{name}", model, needed=name in studied)
    for name, defense in config["defenses"].items():
        yield from _defense_problems(f"defenses.{name}", defense)
    for name, attack in config["attacks"].items():
        yield from _attack_problems(f"attacks.{name}", attack, needed=name in studied)
    yield from _detector_problems(config)


def _results_problems(results: Path) -> Iterator[str]:
    """Yield the problems of the results folder or, if it does not exist yet, of its nearest existing parent."""
    nearest = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not nearest.is_dir():
        yield f"results: {nearest} is not a folder; choose another one"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"results: {nearest} is not writable; change its permissions or choose another folder"


def _model_problems(key: str, model: Config, *, needed: bool) -> Iterator[str]:
    """Yield the problems of a model.

    needed: whether a study uses it. Missing files and libraries of a supplied model are a problem only then.
    """
    kind = next(kind for kind in MODEL_KINDS if kind in model)
    yield from _key_problems(key, kind, model)
    if kind == "architecture":
        yield from model_problems(key, model["architecture"], model.get("arguments", {}))
    elif kind == "python":
        yield from python_problems(f"{key}.python", model["python"])
    elif kind in ("torchvision", "timm") and needed:
        yield from factory_problems(key, kind, model[kind])
    elif kind == "onnx" and needed:
        yield from onnx_problems(f"{key}.onnx")
    if needed:
        for name in (*SUPPLIED, "classes"):
            if isinstance(model.get(name), str) and not Path(model[name]).is_file():
                yield missing_file(f"{key}.{name}", model[name])
        yield from braces(key, model_files(model))


# The ways to name a network, each with the keys that may stand next to it: of a supplied model, and of a trained one.
_INPUT_AND_OUTPUT = {"mean", "std", "classes"}
MODEL_KINDS: dict[str, tuple[set[str], set[str]]] = {
    "architecture": ({"weights", "arguments"} | _INPUT_AND_OUTPUT, {*TRAINING, "arguments"}),
    "python": ({"weights", "arguments"} | _INPUT_AND_OUTPUT, {*TRAINING, "arguments"}),
    "torchvision": ({"weights", "arguments"} | _INPUT_AND_OUTPUT, set()),
    "timm": ({"weights", "arguments"} | _INPUT_AND_OUTPUT, set()),
    "torchscript": (_INPUT_AND_OUTPUT, set()),
    "onnx": (_INPUT_AND_OUTPUT, set()),
}


def _key_problems(key: str, kind: str, model: Config) -> Iterator[str]:
    """Yield one line for each key that does not go with the others."""
    supplied, trained = MODEL_KINDS[kind]
    is_trained = "training" in model and bool(trained)
    for name in TRAINING:
        if "weights" in model and name in model:
            yield f"{key}: weights and {name} exclude each other; supplied weights are never trained"
            return
    if "weights" in supplied and not is_trained and "weights" not in model:
        remedy = "weights: (a trained network) or training: (to train one here)" if trained else "weights:"
        yield f"{key}: {kind} needs {remedy}"
        return
    for name in sorted(model.keys() - {kind} - (trained if is_trained else supplied)):
        if name in TRAINING:
            yield f"{key}.{name}: {kind} models are not trained here; use architecture or python"
        elif is_trained:
            yield f"{key}.{name}: only for supplied weights; for a model that is trained here use arguments"
        else:
            yield f"{key}.{name}: not with {kind}, which is complete in itself"
    for name in ("mean", "std"):
        if len(model.get(name, [0])) == 2:
            yield f"{key}.{name}: 2 numbers; give one, or one for each of the three channels"
        if any(abs(number) > 1 for number in model.get(name, [])):
            yield f"{key}.{name}: {model[name]} is for pixels of 0 to 255; they are 0 to 1 here, so divide by 255"


def _defense_problems(key: str, defense: Config) -> Iterator[str]:
    yield from _method_problems(key, "defenses", defense)
    if not has_filter(defense) and defense["at"] != ["train"]:
        yield f"{key}.at: {defense['method']} applies only to training; write [train]"
    if "training" in defense and "train" not in defense["at"]:
        yield f"{key}.training: a defense that applies only at test is not trained: it has the undefended weights"


def _attack_problems(key: str, attack: Config, *, needed: bool) -> Iterator[str]:
    if ":" in attack.get("method", ""):
        yield from peer_problems(key, attack, needed=needed)
    else:
        found = list(_method_problems(key, "attacks", attack))
        yield from found
        if attack.get("method") == "corrupt" and not found:
            problem = corruption_problem(attack.get("parameters", {}))
            yield from [] if problem is None else [f"{key}.parameters.{problem}"]
        if "targets" in attack and "method" in attack and not takes_targets(attack["method"]):
            yield f"{key}.targets: {attack['method']} does not support targets"
    for index, squeezer in enumerate(attack.get("parameters", {}).get("squeezers", [])):
        yield from _squeezer_problems(f"{key}.parameters.squeezers.{index}", squeezer)


def _method_problems(key: str, kind: str, entry: Config) -> Iterator[str]:
    parameters = entry.get("parameters", {})
    if "method" in entry:
        yield from method_problems(key, kind, entry["method"], parameters)
    else:
        yield from python_problems(f"{key}.python", entry["python"])


def _squeezer_problems(key: str, squeezer: Config) -> Iterator[str]:
    """Yield the problems of a filter in an attack's parameters: a defense without `at`."""
    if has_filter(squeezer):
        yield from _method_problems(key, "defenses", squeezer)
    else:
        yield f"{key}.method: {squeezer['method']} is a training method, not a filter"


def _detector_problems(config: Config) -> Iterator[str]:
    defenses = config["defenses"]
    for name, detector in config["detectors"].items():
        key = f"detectors.{name}.squeezers"
        yield from unknown(key, detector["squeezers"], "defenses", defenses)
        for squeezer in detector["squeezers"]:
            if squeezer in defenses and not has_filter(defenses[squeezer]):
                yield f"{key}: {squeezer} is a training method, not a filter"
