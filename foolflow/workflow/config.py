"""Check the workflow's config before anything runs. A problem is one line: the key, what is wrong, what is allowed."""

import ast
import importlib
import math
import os
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from foolflow.attacks.peers.sources import installed
from foolflow.defenses.kinds import filters
from foolflow.errors import InvalidInput
from foolflow.workflow.plugins import split_reference
from foolflow.workflow.signatures import type_problem

Config = Mapping[str, Any]

# To jsonschema 3.0 is an integer, too; to range() and a slice it is none.
Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)

LISTED = 20  # names; of more, a line lists those nearest to what was written


def problems(config: Config, schema: Config, root: Path) -> list[str]:
    """All that is wrong with `config`, sorted; empty if nothing is.

    schema: the parsed schemas/config.schema.yaml.  root: the folder that holds the package `foolflow`.
    """
    found = [line for error in Validator(schema).iter_errors(config) for line in _schema_lines(error)]
    found += _not_finite(config)
    lines = sorted(set(found)) or sorted(set(_reference_lines(config, root)))
    return ["".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line) for line in lines]


def syntax_problem(file: Path) -> str | None:
    """Where a config file is no YAML, or holds no keys; Snakemake tells neither the file nor the line."""
    if not file.is_file():
        return None  # as Snakemake tells
    try:
        tree = yaml.compose(file.read_bytes(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return f"{file}{place}: {error.problem or error.context}; mend it, also the indentation above"
    except yaml.YAMLError as error:
        return f"{file}: {' '.join(str(error).split())}; save it as UTF-8 text"
    return None if isinstance(tree, yaml.MappingNode) else f"{file}: no keys; config.yaml of the project shows which"


def repeated_keys(file: Path) -> list[str]:
    """Keys that a config file gives twice: YAML would take the last, and forget the other without a word."""
    try:
        tree = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return []  # Snakemake, which has read it, may know better
    return [f"{file}, line {line}: {key} is given twice; keep one" for key, line in _repeated(tree, "")]


def _repeated(node: yaml.Node | None, key: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for name, value in node.value:
            inner = _join(key, name.value)
            if inner in seen:
                yield inner, name.start_mark.line + 1
            seen.add(inner)
            yield from _repeated(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _repeated(value, _join(key, place))


def _not_finite(value: Any, key: str = "") -> Iterator[str]:
    """What a schema cannot refuse: NaN is below no maximum. A norm may be infinite."""
    if isinstance(value, Mapping | list):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _not_finite(part, _join(key, name))
    elif isinstance(value, float) and not math.isfinite(value) and not (key.endswith(".norm") and value > 0):
        yield f"{key}: {value} is not a finite number"


def _schema_lines(error: Any) -> Iterator[str]:  # a ValidationError, whose values are of any type
    key = ".".join(str(part) for part in error.absolute_path)
    match error.validator:
        case _ if "propertyNames" in error.absolute_schema_path and not isinstance(error.instance, str):
            yield f"{_join(key, error.instance)}: YAML takes this name for {_kind(error.instance)}; put it in quotes"
        case _ if "propertyNames" in error.absolute_schema_path:
            yield f"{_join(key, error.instance)}: not a usable name; letters, digits, _ and -, 64 at most, not 'none'"
        case "additionalProperties":
            allowed = sorted(error.schema["properties"])
            for name in sorted(set(error.instance) - set(allowed), key=str):
                yield f"{_join(key, name)}: unknown key; allowed are {', '.join(allowed)}"
        case "required":
            name = error.message.split("'")[1]
            yield f"{_join(key, name)}: missing"
        case "oneOf" if all(option.keys() == {"required"} for option in error.validator_value):
            if not isinstance(error.instance, dict):
                return  # that it is no mapping is told by itself
            names = [option["required"][0] for option in error.validator_value]
            given = [name for name in names if name in error.instance]
            wrong = "both are given" if given else "neither is given"
            yield f"{key}: needs {' or '.join(names)}; {wrong}"
        case "oneOf":
            options = "; ".join(_allowed(option) for option in error.validator_value)
            yield f"{key}: {error.instance!r} is none of: {options}"
        case "enum":
            yield f"{key}: {error.instance!r} is not one of {', '.join(map(str, error.validator_value))}"
        case "not" if len(error.validator_value.get("required", [])) == 2:
            if isinstance(error.instance, dict):
                yield f"{key}: {' and '.join(error.validator_value['required'])} exclude each other"
        case "not" if "required" in error.validator_value:
            name = error.validator_value["required"][0]
            yield f"{_join(key, name)}: not for this source, whose {name} images are published"
        case "dependentRequired":
            for name in sorted(error.instance.keys() & error.validator_value.keys()):
                for other in error.validator_value[name]:
                    if other not in error.instance:
                        yield f"{key}: {name} without {other}; both or neither"
        case "pattern" if key == "results":
            yield f"results: {error.instance!r} is no usable folder; no ~ in front, no / behind, none of {{}}<>"
        case "pattern":
            yield f"{key}: {error.instance!r} has not the form {error.validator_value}"
        case _:
            yield f"{key}: {error.message}"


def _kind(value: object) -> str:
    return {bool: "a truth value", type(None): "nothing"}.get(type(value), "a number or a date")


def _allowed(option: Config) -> str:
    if "$ref" in option:
        return "a number above 0" if option["$ref"].endswith("epsilon") else "letters, digits, _ and -"
    if "enum" in option:
        return ", ".join(option["enum"])
    if option.get("type") == ["number", "boolean"]:
        return "a number, true, false"
    if option.get("type") == "integer":
        return "the number of a class"
    return "a list of such numbers" if option.get("type") == "array" else str(option)


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _reference_lines(config: Config, root: Path) -> Iterator[str]:
    """Names that name nothing, and parameters that a function does not take."""
    package = root / "foolflow"
    yield from _results_lines(Path(config["results"]))
    for name, model in config["models"].items():
        key = f"models.{name}"
        if "architecture" in model:
            yield from _call_lines(
                f"{key}.arguments", model.get("arguments", {}), package / "models", model["architecture"]
            )
        else:
            yield from _python_lines(f"{key}.python", model["python"])
    studied = set(_strings(config["studies"]))
    for name, dataset in config["datasets"].items():
        if name in studied and not Path(dataset.get("path", ".")).exists():
            yield f"datasets.{name}.path: {dataset['path']} does not exist"
    for kind, folder in (("defenses", "defenses"), ("attacks", "attacks")):
        for name, entry in config[kind].items():
            key = f"{kind}.{name}"
            if ":" in entry.get("method", ""):
                yield from _peer_lines(key, entry, needed=name in studied)
            elif "method" in entry:
                method = f"{entry['method']}.{entry['method']}"
                yield from _call_lines(f"{key}.parameters", entry.get("parameters", {}), package / folder, method)
                if "targets" in entry and not _takes_targets(package / folder / f"{entry['method']}.py"):
                    yield f"{key}.targets: {entry['method']} has no targets"
            else:
                yield from _python_lines(f"{key}.python", entry["python"])
            for place, squeezer in enumerate(entry.get("parameters", {}).get("squeezers", [])):
                yield from _squeezer_lines(f"{key}.parameters.squeezers.{place}", squeezer, package)
    for name, defense in config["defenses"].items():
        yield from _training_lines(f"defenses.{name}", defense)
    yield from _detector_lines(config)
    yield from _exploration_lines(config, package)
    yield from _study_lines(config)


def _results_lines(results: Path) -> Iterator[str]:
    """Of the folder that is written to, or of the nearest one above it that is there."""
    nearest = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not nearest.is_dir():
        yield f"results: {nearest} is no folder; name another one"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"results: {nearest} cannot be written to; give yourself the right to it, or name another folder"


def _squeezer_lines(key: str, squeezer: Config, package: Path) -> Iterator[str]:
    """Problems of a filter that an attack is given in its parameters, as a defense is but for where it acts."""
    if "python" in squeezer:
        yield from _python_lines(f"{key}.python", squeezer["python"])
    elif not filters(squeezer):
        yield f"{key}.method: {squeezer['method']} changes the training and is no filter"
    else:
        method = f"{squeezer['method']}.{squeezer['method']}"
        yield from _call_lines(f"{key}.parameters", squeezer.get("parameters", {}), package / "defenses", method)


def _training_lines(key: str, defense: Config) -> Iterator[str]:
    """What acts where it cannot, and a training where there is none."""
    if not filters(defense) and defense["at"] != ["train"]:
        yield f"{key}.at: {defense['method']} acts at train alone: [train]"
    if "training" in defense and "train" not in defense["at"]:
        yield f"{key}.training: it acts at test alone, with the weights of the undefended model, and is not trained"


def varied(explored: Config) -> list[dict[str, Any]]:
    """The attacks that an exploration adds: one for each value of each parameter, named after both."""
    return [
        {"parameter": parameter, "value": value, "attack": f"{explored['attack']}-{parameter}-{value}"}
        for parameter, values in explored["parameters"].items()
        for value in values
    ]


def _exploration_lines(config: Config, package: Path) -> Iterator[str]:
    """Of the attacks that an exploration adds, one for each value: parameters that there are not, and names taken."""
    explored = config["studies"].get("stadv", {}).get("explorations")
    if explored is None or explored["attack"] not in config["attacks"]:
        return
    key, attack = "studies.stadv.explorations.parameters", config["attacks"][explored["attack"]]
    added = varied(explored)
    names = [setting["attack"] for setting in added]
    for parameter, value, name in (setting.values() for setting in added):
        if name in config["attacks"] or names.count(name) > 1:
            yield f"{key}.{parameter}: {value!r} makes an attack {name}, and there is one of that name"
        if ":" not in attack.get("method", ":"):
            given = attack.get("parameters", {}) | {parameter: value}
            method = f"{attack['method']}.{attack['method']}"
            yield from _call_lines(key, given, package / "attacks", method)


def _detector_lines(config: Config) -> Iterator[str]:
    """Squeezers that are no defenses, or none that filter."""
    for name, detector in config.get("detectors", {}).items():
        key = f"detectors.{name}.squeezers"
        yield from _unknown(key, detector["squeezers"], "defenses", config["defenses"])
        for squeezer in detector["squeezers"]:
            if squeezer in config["defenses"] and not filters(config["defenses"][squeezer]):
                yield f"{key}: {squeezer} changes the training and is no filter"


def _peer_lines(key: str, entry: Config, needed: bool) -> Iterator[str]:
    """Problems of an attack of another library, which is read and not imported: that takes seconds.

    needed: by a study; only then is it a problem that the library is not installed.
    """
    library, _, name = entry["method"].partition(":")
    peer = importlib.import_module(f"foolflow.attacks.peers.{library}")
    if installed(peer.DISTRIBUTION) is not None:
        yield from (f"{key}.{line}" for line in peer.problems(name, entry.get("parameters", {}), "targets" in entry))
    elif needed:
        yield f"{key}.method: {peer.DISTRIBUTION} is not installed; {peer.INSTALL}"


def _strings(value: Any) -> Iterator[str]:
    """All the strings of a part of the config, but for its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(part)


def _python_lines(key: str, reference: str) -> Iterator[str]:
    try:
        file, name = split_reference(reference)
        names = _names(file)
        if name not in names:
            yield f"{key}: {file} defines no {name!r}; it defines {', '.join(names) or 'nothing'}"
    except (InvalidInput, SyntaxError) as error:
        yield f"{key}: {error}"


def _call_lines(key: str, given: Config, folder: Path, target: str) -> Iterator[str]:
    """Problems of calling `module.name` of `folder` with the keyword-only arguments `given`."""
    module, name = target.split(".")
    holder = key.rsplit(".", 1)[0]
    file = folder / f"{module}.py"
    definition = _definitions(file).get(name) if file.is_file() else None
    if definition is None:
        yield f"{holder}: {folder.name} has no {target!r}; there are {', '.join(_available(folder))}"
        return
    signature = _signature(definition)
    if signature is None:
        return
    arguments = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
    takes = {argument.arg: (argument, default) for argument, default in arguments if argument.arg != "targets"}
    for argument_name, value in sorted(given.items(), key=lambda item: str(item[0])):
        if argument_name not in takes:
            yield f"{key}.{argument_name}: unknown; {name} takes {', '.join(takes) or 'none'}"
        elif problem := type_problem(value, takes[argument_name][0].annotation):
            yield f"{key}.{argument_name}: {problem}"
    for argument_name in sorted(takes.keys() - given.keys()):
        if takes[argument_name][1] is None:
            yield f"{key}.{argument_name}: missing; {name} needs it"


def _takes_targets(file: Path) -> bool:
    """Whether the attack of that file can be given targets; True of a file that is missing, which is told elsewhere."""
    definition = _definitions(file).get(file.stem) if file.is_file() else None
    signature = None if definition is None else _signature(definition)
    return signature is None or any(argument.arg == "targets" for argument in signature.kwonlyargs)


def _names(file: Path) -> list[str]:
    """Every name that the top level of a user's file defines, assigns or imports."""
    names: list[str] = []
    for node in ast.parse(file.read_bytes(), filename=str(file)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
    return names


def _definitions(file: Path) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    tree = ast.parse(file.read_bytes(), filename=str(file))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _signature(definition: ast.ClassDef | ast.FunctionDef) -> ast.arguments | None:
    if isinstance(definition, ast.FunctionDef):
        return definition.args
    for node in definition.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return node.args
    return None


def _available(folder: Path) -> list[str]:
    """What a config may name: every class of models/, every function of attacks/ and defenses/ named as its module."""
    names = []
    for file in sorted(folder.glob("[a-z]*.py")):
        for name, definition in _definitions(file).items():
            if folder.name == "models" and isinstance(definition, ast.ClassDef) and not _is_layer(definition):
                names.append(f"{file.stem}.{name}")
            elif (
                name == file.stem and isinstance(definition, ast.FunctionDef) and _is_called_by_name(folder, definition)
            ):
                names.append(name)
    return names


def _is_called_by_name(folder: Path, definition: ast.FunctionDef) -> bool:
    """An attack takes a model, images and labels; what else lies beside the attacks is none."""
    return folder.name != "attacks" or [argument.arg for argument in definition.args.args][:1] == ["model"]


def _is_layer(definition: ast.ClassDef) -> bool:
    signature = _signature(definition)
    return signature is None or [argument.arg for argument in signature.args[1:]] != ["channels", "size", "classes"]


def _study_lines(config: Config) -> Iterator[str]:
    studies = config["studies"]
    for index, sweep in enumerate(studies.get("fgsm_sweep", {}).get("sweeps", [])):
        key = f"studies.fgsm_sweep.sweeps.{index}"
        for field, kind in (("dataset", "datasets"), ("model", "models"), ("attack", "attacks")):
            yield from _unknown(f"{key}.{field}", [sweep[field]], kind, config[kind])
        attack = config["attacks"].get(sweep["attack"])
        if attack is not None:
            epsilons = attack.get("parameters", {}).get("epsilon")
            if not isinstance(epsilons, list):
                yield f"{key}.attack: {sweep['attack']} has no list of epsilons to sweep"
            elif sweep["modified_epsilon"] not in epsilons:
                yield f"{key}.modified_epsilon: {sweep['modified_epsilon']} is not among the epsilons {epsilons}"
    for name in ("minimal", "stadv"):
        if name in studies:
            for field in ("datasets", "models"):
                yield from _unknown(f"studies.{name}.{field}", studies[name][field], field, config[field])
    if "minimal" in studies:
        yield from _minimal_lines(studies["minimal"], config)
    if "stadv" in studies:
        yield from _stadv_lines(config, studies["stadv"])
    if "detection" in studies:
        yield from _detection_lines(studies["detection"], config)
    if "defenses" in studies:
        yield from _defense_lines(config, studies["defenses"]["evaluations"])
    if "transfer" in studies:
        yield from _transfer_lines(studies["transfer"]["matrices"], config)
    if "leaderboard" in studies:
        yield from _leaderboard_lines(studies["leaderboard"]["boards"], config)


def _defense_lines(config: Config, evaluations: Collection[Config]) -> Iterator[str]:
    names = [entry["name"] for entry in evaluations]
    for place, entry in enumerate(evaluations):
        key = f"studies.defenses.evaluations.{place}"
        if names.index(entry["name"]) < place:
            yield f"{key}.name: {entry['name']!r} is the name of an earlier one"
        yield from _unknown(f"{key}.dataset", [entry["dataset"]], "datasets", config["datasets"])
        yield from _unknown(f"{key}.models", entry["models"], "models", config["models"])
        yield from _unknown(f"{key}.defenses", entry["defenses"], "defenses", ["none", *config["defenses"]])
        kinds = ("static", "white_box", "adaptive", "black_box")
        lists = {kind: entry.get(kind, []) for kind in kinds} | {"examples": [entry.get("examples")]}
        for field, attacks in lists.items():
            named = [attack for attack in attacks if attack is not None]
            yield from _unknown(f"{key}.{field}", named, "attacks", config["attacks"])
            for attack in named:
                if isinstance(config["attacks"].get(attack, {}).get("parameters", {}).get("epsilon"), list):
                    yield f"{key}.{field}: {attack} has a list of epsilons; one attacked set a cell is wanted"
        for role, attack in entry.get("masking", {}).items():
            yield from _unknown(f"{key}.masking.{role}", [attack], "attacks of white_box", entry.get("white_box", []))


def _minimal_lines(study: Config, config: Config) -> Iterator[str]:
    """Names that name nothing, and attacks whose distances cannot be set beside each other."""
    key, attacks, shown = "studies.minimal", config["attacks"], study["perturbation"]
    yield from _unknown(f"{key}.attacks", study["attacks"], "attacks", attacks)
    yield from _unknown(f"{key}.perturbation.models", shown["models"], "models", config["models"])
    yield from _unknown(f"{key}.perturbation.attack", [shown["attack"]], "attacks", attacks)
    for field, names in (("attacks", study["attacks"]), ("perturbation.attack", [shown["attack"]])):
        for name in names:
            attack = attacks.get(name, {})
            if "targets" in attack:
                yield f"{key}.{field}: {name} has targets; the smallest perturbation to any wrong class is wanted"
            if isinstance(attack.get("parameters", {}).get("epsilon"), list):
                yield f"{key}.{field}: {name} has a list of epsilons; one perturbation an image is wanted"
    selected = {name: _selection(attacks[name]) for name in study["attacks"] if name in attacks}
    if len(set(selected.values())) > 1:
        listed = ", ".join(f"{name}: {selection}" for name, selection in selected.items())
        yield f"{key}.attacks: they have to be run on the same images ({listed})"


def _selection(attack: Config) -> str:
    """The images that an attack is run on, in words."""
    return next((f"{key} {attack[key]}" for key in ("images", "per_class") if key in attack), "all images")


def _stadv_lines(config: Config, study: Config) -> Iterator[str]:
    def known(key: str, entry: Config, field: str, kind: str) -> Iterator[str]:
        names = entry.get(field, [])
        yield from _unknown(f"{key}.{field}", [names] if isinstance(names, str) else names, kind, config[kind])

    key = "studies.stadv"
    yield from known(key, study, "attack", "attacks")
    yield from known(key, study, "grid", "attacks")
    explored = study.get("explorations", {})
    for field, kind in (("dataset", "datasets"), ("models", "models"), ("attack", "attacks")):
        yield from known(f"{key}.explorations", explored, field, kind)
    post_mortem = study.get("post_mortem", {})
    yield from known(f"{key}.post_mortem", post_mortem, "dataset", "datasets")
    steps = {f"{key}.post_mortem.steps.{place}": step for place, step in enumerate(post_mortem.get("steps", []))}
    for step_key, step in steps.items():
        yield from known(step_key, step, "model", "models")
        yield from known(step_key, step, "attack", "attacks")
    # What is counted as a success, and the grid's columns, need a target.
    targeted = [(key, study, "attack"), (key, study, "grid"), (f"{key}.explorations", explored, "attack")]
    for entry_key, entry, field in [*targeted, *((step_key, step, "attack") for step_key, step in steps.items())]:
        attack = config["attacks"].get(entry.get(field))
        if attack is not None and "targets" not in attack:
            yield f"{entry_key}.{field}: {entry[field]} has no targets; give it `targets: random` or `targets: all`"


def _transfer_lines(matrices: list[Config], config: Config) -> Iterator[str]:
    yield from _repeated_names("studies.transfer.matrices", matrices)
    for place, matrix in enumerate(matrices):
        key = f"studies.transfer.matrices.{place}"
        yield from _victim_lines(key, matrix, config)
        yield from _unknown(f"{key}.attack", [matrix["attack"]], "attacks", config["attacks"])
        attack = config["attacks"].get(matrix["attack"], {})
        several_epsilons = isinstance(attack.get("parameters", {}).get("epsilon"), list)
        if several_epsilons or attack.get("targets") == "all":
            yield f"{key}.attack: {matrix['attack']} makes several images of one; one is wanted"
        if len(matrix["models"]) * len(matrix["defenses"]) < 2:
            yield f"{key}: one victim; a matrix needs two or more"


def _leaderboard_lines(boards: list[Config], config: Config) -> Iterator[str]:
    yield from _repeated_names("studies.leaderboard.boards", boards)
    for place, board in enumerate(boards):
        key = f"studies.leaderboard.boards.{place}"
        yield from _victim_lines(key, board, config)
        yield from _unknown(f"{key}.attacks", board["attacks"], "attacks", config["attacks"])
        for source in board.get("transfer_from", []):
            model, _, defense = source.partition("/")
            if model not in config["models"] or defense not in ["none", *config["defenses"]]:
                yield f"{key}.transfer_from: {source!r} is no model/defense of the config, such as six_conv/none"
        for name in board["attacks"]:
            given = config["attacks"].get(name, {}).get("parameters", {}).get("epsilon", [])
            epsilons = given if isinstance(given, list) else [given]
            if "epsilon" in board and epsilons and min(epsilons) > board["epsilon"]:
                yield f"{key}.epsilon: {name} has no epsilon within {board['epsilon']}, but {given}"


def _victim_lines(key: str, entry: Config, config: Config) -> Iterator[str]:
    yield from _unknown(f"{key}.dataset", [entry["dataset"]], "datasets", config["datasets"])
    yield from _unknown(f"{key}.models", entry["models"], "models", config["models"])
    yield from _unknown(f"{key}.defenses", entry["defenses"], "defenses", ["none", *config["defenses"]])


def _repeated_names(key: str, entries: list[Config]) -> Iterator[str]:
    names = [entry["name"] for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{key}: {name!r} names several; each needs a name of its own"


def _detection_lines(study: Config, config: Config) -> Iterator[str]:
    """Names that name nothing, attacks of several epsilons, and adaptive ones that know another detector."""
    attacks, detectors = config["attacks"], config.get("detectors", {})
    for place, detection in enumerate(study["detections"]):
        key = f"studies.detection.detections.{place}"
        adaptive = detection.get("adaptive", [])
        yield from _unknown(f"{key}.dataset", [detection["dataset"]], "datasets", config["datasets"])
        yield from _unknown(f"{key}.model", [detection["model"]], "models", config["models"])
        yield from _unknown(f"{key}.detector", [detection["detector"]], "detectors", detectors)
        for field, names in (("attacks", detection["attacks"]), ("adaptive", adaptive)):
            yield from _unknown(f"{key}.{field}", names, "attacks", attacks)
            for name in names:
                if isinstance(attacks.get(name, {}).get("parameters", {}).get("epsilon"), list):
                    yield f"{key}.{field}: {name} has a list of epsilons; one adversarial set is wanted"
        names = detectors.get(detection["detector"], {}).get("squeezers", [])
        known = [_filter_of(config["defenses"].get(name, {})) for name in names]
        for name in adaptive:
            given = attacks.get(name, {}).get("parameters", {}).get("squeezers")
            if given is not None and [_filter_of(squeezer) for squeezer in given] != known:
                yield f"{key}.adaptive: the squeezers of {name} are not those of {detection['detector']}"


def _filter_of(entry: Config) -> dict[str, Any]:
    """What an entry says of its filter alone."""
    return {"parameters": {}} | {key: entry[key] for key in ("method", "python", "parameters") if key in entry}


def _unknown(key: str, names: Collection[str], kind: str, allowed: Collection[str]) -> Iterator[str]:
    for name in names:
        if name not in allowed:
            known = list(allowed) if len(allowed) <= LISTED else get_close_matches(name, allowed, n=5, cutoff=0)
            more = "" if len(known) == len(allowed) else f" and {len(allowed) - len(known)} others"
            yield f"{key}: {name!r} is not among the {kind}: {', '.join(known)}{more}"
