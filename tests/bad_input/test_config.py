"""Invalid configs beyond those of tests/workflow/test_config.py: harmful names, numbers and folders."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml

from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.numbers import with_numbers
from foolflow.workflow.config.schema import load_schema
from foolflow.workflow.config.syntax import repeated_keys, syntax_problem
from tests.end_to_end.conftest import copy_project
from tests.workflow.edits import put

MODEL = {"architecture": "lenet.LeNet", "training": {"epochs": 1}}
EXPLORED = "studies.stadv.explorations.parameters"


@pytest.fixture(scope="module")
def shipped(root):
    return with_numbers(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.fixture(scope="module")
def schema():
    return load_schema()


def model(name: object):
    return lambda config: config["models"].update({name: MODEL})


def attack(name: object):
    return lambda config: config["attacks"].update({name: {"method": "deepfool"}})


def dataset(name: object):
    return lambda config: config["datasets"].update({name: {"source": "digits", "val": 1, "test": 1}})


def epsilon(value: object):
    return put("attacks.fgsm.parameters.epsilon", value)


NAN, INFINITE = float("nan"), float("inf")
FROM_HERE = f"relative paths start at the working directory, {Path.cwd()}"
UNUSABLE = "not a usable name; letters, digits, _ and -, 64 at most"
CASES = {
    # name of the case: (edit, words of the error message)
    "a data set called classes": (
        lambda config: config["datasets"].update(classes={"source": "digits", "val": "many"}),
        "datasets.classes.val",
    ),
    "out of the folder": (model("../../x"), f"models.../../x: {UNUSABLE}"),
    "a path": (attack("a/b"), f"attacks.a/b: {UNUSABLE}"),
    "an absolute path": (dataset("/etc/x"), f"datasets./etc/x: {UNUSABLE}"),
    "two dots": (dataset(".."), f"datasets...: {UNUSABLE}"),
    "hidden": (model(".x"), f"models..x: {UNUSABLE}"),
    "an option": (model("-rf"), f"models.-rf: {UNUSABLE}"),
    "a wildcard": (model("{model}"), f"models.{{model}}: {UNUSABLE}"),
    "a command": (attack("x; touch y"), f"attacks.x; touch y: {UNUSABLE}"),
    "a space": (model("le net"), f"models.le net: {UNUSABLE}"),
    "a line break": (model("lenet\n"), f"models.lenet\\n: {UNUSABLE}"),
    "no name": (model(""), f"models.: {UNUSABLE}"),
    "too long a name": (model("x" * 65), UNUSABLE),
    "no ASCII": (model("résumé"), f"models.résumé: {UNUSABLE}"),
    "a number": (model(3), "models.3: YAML reads this name as a number or a date; put it in quotes"),
    "yes": (model(True), "models.True: YAML reads this name as true or false; put it in quotes"),
    "null": (model(None), "models.None: YAML reads this name as null; put it in quotes"),
    "a defense's": (
        lambda config: config["defenses"].update({"../x": {"method": "jpeg", "at": ["test"]}}),
        f"defenses.../x: {UNUSABLE}",
    ),
    "a detector's name": (
        lambda config: config["detectors"].update({"../x": {"squeezers": ["jpeg"]}}),
        f"detectors.../x: {UNUSABLE}",
    ),
    "an evaluation's": (
        put("studies.defenses.evaluations.0.name", "../x"),
        "evaluations.0.name: '../x' is not a usable name: letters",
    ),
    "a board's": (put("studies.leaderboard.boards.0.name", "../x"), "boards.0.name: '../x' is not a usable name"),
    "examples of filters without any defense": (
        put("studies.defenses.evaluations.0.defenses", ["none"]),
        "evaluations.0.examples: shows images before and after a filter, but no defense listed here has one (none)",
    ),
    "examples of filters without a filter": (
        put("studies.defenses.evaluations.0.defenses", ["none", "adversarial_training"]),
        "has one (none, adversarial_training); add a defense with a filter, or remove `examples`",
    ),
    "an explored value": (put(EXPLORED, {"init": ["../../x"]}), "init.0: '../../x' is none of: a number, true, false"),
    "an explored parameter": (put(EXPLORED, {"../x": [1]}), f"{EXPLORED}.../x: {UNUSABLE}"),
    "an unknown explored parameter": (put(EXPLORED, {"beta": [1]}), f"{EXPLORED}.beta: unknown; stadv takes"),
    "an explored value of the wrong type": (put(EXPLORED, {"steps": ["many"]}), "steps: 'many' is not of type int"),
    "epsilon NaN": (epsilon(NAN), "attacks.fgsm.parameters.epsilon: nan is not a finite number"),
    "epsilon infinite": (epsilon(INFINITE), "attacks.fgsm.parameters.epsilon: inf is not a finite number"),
    "one epsilon of several": (epsilon([0.1, NAN]), "attacks.fgsm.parameters.epsilon.1: nan is not a finite number"),
    "a negative epsilon of several": (epsilon([0.1, -0.1]), "attacks.fgsm.parameters.epsilon: [0.1, -0.1] is none of"),
    "the same epsilon twice": (epsilon([0.1, 0.1]), "attacks.fgsm.parameters.epsilon: [0.1, 0.1] is none of"),
    "epsilon as text": (epsilon("8/255"), "attacks.fgsm.parameters.epsilon: '8/255' is none of: a number above 0"),
    "learning rate NaN": (put("models.lenet.training.learning_rate", NAN), "learning_rate: nan is not a finite number"),
    "epochs of 3.0": (put("models.lenet.training.epochs", 3.0), "epochs: 3.0 is not of type 'integer'"),
    "a seed of 0.0": (put("seeds", [0.0]), "seeds.0: 0.0 is not of type 'integer'"),
    "too many shards": (put("attacks.fgsm_sweep.shards", 10**9), "1000000000 is greater than the maximum of 10000"),
    "a negative seed": (put("seeds", [-1]), "seeds.0: -1 is less than the minimum of 0"),
    "a study without seeds": (put("studies.minimal.seeds", []), "studies.minimal.seeds: [] should be non-empty"),
    "a negative seed of a study": (
        put("studies.minimal.seeds", [-1]),
        "studies.minimal.seeds.0: -1 is less than the minimum of 0",
    ),
    "images as a truth value": (put("attacks.deepfool.images", True), "attacks.deepfool.images: True is not of type"),
    "a list for a mapping": (put("attacks", ["fgsm"]), "attacks: ['fgsm'] is not of type 'object'"),
    "nothing for a mapping": (lambda config: config.update(models=None), "models: None is not of type 'object'"),
    "results of nothing": (put("results", ""), "results: '' is not a usable folder"),
    "results at home": (put("results", "~/results"), "results: '~/results' is not a usable folder: no leading ~"),
    "results with wildcards": (put("results", "re{s}ults"), "results: 're{s}ults' is not a usable folder"),
    "results below a file": (put("results", "config.yaml/x"), "config.yaml is not a folder; choose another one"),
}


@pytest.mark.parametrize(("edit", "words"), CASES.values(), ids=CASES)
def test_each_problem_is_one_line(shipped, schema, root, monkeypatch, edit, words):
    monkeypatch.chdir(root)
    config = copy.deepcopy(shipped)
    edit(config)
    (line,) = (line for line in problems(config, schema) if "missing" not in line)
    assert words in line
    assert line.isprintable()


@pytest.mark.parametrize("results", ["/tmp/somewhere/else", "../beside", ".", "a b", "results.2"])
def test_the_results_folder_may_be_anywhere(shipped, schema, results):
    """The user may choose any folder, but names of results must not lead out of it."""
    assert problems(shipped | {"results": results}, schema) == []


def test_a_norm_may_be_infinite(shipped, schema):
    config = copy.deepcopy(shipped)
    config["attacks"]["theirs"] = {"method": "art:FastGradientMethod", "parameters": {"norm": INFINITE, "epsilon": 0.1}}
    assert problems(config, schema) == []


FILES = {
    "no such function": ("def other(): pass", "mine.py does not define 'attack'; it defines other"),
    "a syntax error": ("def attack(:", "mine.py, line 1)"),
    "not Python": ("\0", "mine.py"),
    "a variable of a comprehension": ("chosen = [attack for attack in ()]", "it defines chosen"),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES)
def test_a_users_file_is_checked_before_anything_runs(shipped, schema, root, tmp_path, text, words):
    (tmp_path / "mine.py").write_text(text)
    config = copy.deepcopy(shipped)
    config["attacks"]["mine"] = {"python": f"{tmp_path / 'mine.py'}:attack"}
    (line,) = problems(config, schema)
    assert line.startswith("attacks.mine.python: ")
    assert words in line


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import *",
        "attack, other = make()",
        "attack: Callable = make()",
        "(attack := make())",
        "try:\n    from a import attack\nexcept ImportError:\n    from b import attack",
        "if FAST:\n    def attack(): pass",
        "with quiet():\n    import attack",
        "with opened() as attack:\n    pass",
        "for attack in found:\n    pass",
        "if (attack := make()):\n    pass",
        "match found:\n    case [attack]:\n        pass",
        "\ufeffdef attack(): pass",  # as some editors begin a file
    ],
)
def test_a_name_of_a_users_file_may_come_from_any_statement(shipped, schema, tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    config = copy.deepcopy(shipped)
    config["attacks"]["mine"] = {"python": f"{tmp_path / 'mine.py'}:attack"}
    assert problems(config, schema) == []


def test_a_syntax_error_in_a_neighbour_of_a_users_file_is_one_line_that_names_the_neighbour(shipped, schema, tmp_path):
    (tmp_path / "mine.py").write_text("import beside\n\ndef attack():\n    pass\n")
    (tmp_path / "beside.py").write_text("def (\n")
    config = copy.deepcopy(shipped)
    config["attacks"]["mine"] = {"python": f"{tmp_path / 'mine.py'}:attack"}
    (line,) = problems(config, schema)
    where = f"attacks.mine.python: {tmp_path / 'beside.py'} is not valid Python: SyntaxError: "
    assert line.startswith(where)
    assert "line 1" in line


def test_data_that_a_study_needs_must_exist(shipped, schema):
    config = copy.deepcopy(shipped)
    config["datasets"]["mine"] = {"source": "npz", "path": "nowhere.npz", "val": 5, "test": 5}
    assert problems(config, schema) == []
    config["studies"]["transfer"]["matrices"][0]["dataset"] = "mine"
    assert problems(config, schema) == [f"datasets.mine.path: nowhere.npz does not exist; {FROM_HERE}"]


def test_val_images_of_an_npz_file_and_val_exclude_each_other_before_any_job_starts(shipped, schema, tmp_path):
    images, labels = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 4
    arrays = {
        f"{name}_{part}": array for part in ("train", "val", "test") for name, array in (("x", images), ("y", labels))
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    config = copy.deepcopy(shipped)
    config["datasets"]["mine"] = {"source": "npz", "path": str(tmp_path / "mine.npz"), "val": 5}
    config["studies"]["transfer"]["matrices"][0]["dataset"] = "mine"
    (line,) = problems(config, schema)
    assert line.startswith("datasets.mine.val: 5 images would be set aside, but ")
    del config["datasets"]["mine"]["val"]
    assert problems(config, schema) == []


@pytest.mark.parametrize(
    "key", ["studies.leaderboard.boards.0.transfer_from", "studies.fgsm_sweep.comparisons.0.transfer.sources"]
)
def test_a_model_that_a_study_names_with_its_defense_must_exist(shipped, schema, key):
    config = copy.deepcopy(shipped)
    config["models"]["mine"] = {"architecture": "lenet.LeNet", "weights": "nowhere.pth"}
    assert problems(config, schema) == []
    put(key, ["mine/none"])(config)
    assert problems(config, schema) == [f"models.mine.weights: nowhere.pth does not exist; {FROM_HERE}"]


REPEATED = {
    "a name": ("models:\n  a: 1\n  b: 2\n  a: 3\n", "line 4: models.a is given twice; keep one"),
    "at the top": ("models: {}\nattacks: {}\nmodels: {}\n", "line 3: models is given twice; keep one"),
    "in a list": ("a:\n  - { b: 1, b: 1 }\n", "line 2: a.0.b is given twice; keep one"),
    "in JSON": ('{"models": {"a": 1, "a": 2}}', "line 1: models.a is given twice; keep one"),
}


@pytest.mark.parametrize(("text", "words"), REPEATED.values(), ids=REPEATED)
def test_duplicate_keys_are_reported(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    assert repeated_keys(tmp_path / "mine.yaml") == [f"{tmp_path / 'mine.yaml'}, {words}"]


UNREADABLE = {
    "an open bracket": (b"models: [a\n b: 1\n", "mine.yaml, line 2, column 3: expected ',' or ']', but got ':'; fix"),
    "a tab": (
        b"models:\n\ta: 1\n",
        "mine.yaml, line 2, column 1: found character '\\t' that cannot start any token; fix",
    ),
    "a list": (b"- a\n- b\n", "mine.yaml: no keys; see the project's config.yaml"),
    "nothing": (b"", "mine.yaml: no keys; see the project's config.yaml"),
    "no text": (b"\x80\x81: 1\n", "mine.yaml: unacceptable character #x0080"),
}


@pytest.mark.parametrize(("content", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_not_a_config_is_reported_with_its_line(tmp_path, content, words):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    line = syntax_problem(file)
    assert line is not None
    assert line.startswith(f"{tmp_path}/{words}")
    assert "\n" not in line


def test_a_valid_config_has_no_syntax_problem(root, tmp_path):
    assert syntax_problem(root / "config.yaml") is None
    assert syntax_problem(tmp_path / "nowhere.yaml") is None


def test_snakemake_shows_where_the_config_is_broken(root, tmp_path):
    project = copy_project(root, tmp_path / "foolflow")
    with project.edited("config.yaml", "models:", "models: ["):
        done = project.snakemake("-n", ok=False)
    assert done.returncode != 0
    seen = done.stdout + done.stderr
    assert "Traceback" not in seen
    (line,) = (line for line in seen.splitlines() if line.startswith("config: "))
    assert line.startswith(f"config: {project.folder / 'config.yaml'}, line ")


def test_the_shipped_configs_have_no_duplicate_keys(root):
    for file in (root / "config.yaml", root / "profiles/demo/workflow.yaml"):
        assert repeated_keys(file) == []
