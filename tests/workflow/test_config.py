"""Every problem of a config is one line that names the key."""

import copy
import importlib
import subprocess
import sys

import pytest
import yaml

from foolflow.studies import fgsm_sweep, minimal
from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.numbers import with_numbers
from foolflow.workflow.config.schema import load_schema
from tests.workflow.edits import put


@pytest.fixture(scope="module")
def schema():
    return load_schema()


@pytest.fixture
def config(root):
    return with_numbers(yaml.safe_load((root / "config.yaml").read_text()))


def test_the_shipped_config_has_no_problems(config, schema):
    assert problems(config, schema) == []


def corrupted(kind, strength, **others):
    return {"method": "corrupt", "parameters": {"kind": kind, "strength": strength, **others}}


def again(key):
    """Return an edit that adds to a list another entry like the first, with fewer attacks or without the control."""

    def edit(config):
        for part in key.split("."):
            config = config[part]
        config.insert(1, copy.deepcopy(config[0]))
        if "attacks" in config[0]:
            config[1]["attacks"] = config[0]["attacks"][:1]
        else:
            config[1].pop("control", None)

    return edit


def without_attacks(key):
    """Return an edit that removes all attacks from a part of the config."""

    def edit(config):
        for part in key.split("."):
            config = config[int(part) if isinstance(config, list) else part]
        for kind in ("static", "white_box", "adaptive", "black_box"):
            config.pop(kind, None)

    return edit


SWEEP = "studies.fgsm_sweep.sweeps.0"
WAYS = "studies.fgsm_sweep.comparisons.0"
SHOWN = "studies.minimal.perturbation"
FIXED = "studies.minimal.fixed_norm"
MORE = "studies.minimal.comparisons.0"
R3 = "studies.defenses.evaluations.0"
STRENGTHS = "studies.defenses.evaluations.2.strengths"
DETECTION = "studies.detection.detections.0"
MATRIX = "studies.transfer.matrices.0"
BOARD = "studies.leaderboard.boards.0"
NPZ = {"source": "npz", "path": "x.npz"}
SQUEEZED = {"method": "pgd_undetected", "parameters": {"epsilon": 0.1, "squeezers": [{"method": "JPEG"}]}}
CASES = [
    # (edit, key that the line starts with, words in the line)
    (put("epochs", 3), "epochs", "unknown key; allowed are attacks"),
    (put("models.lenet.training.lr", 0.1), "models.lenet.training.lr", "unknown key; allowed are augmentation"),
    (put("models.lenet.training.epochs", "ten"), "models.lenet.training.epochs", "'ten' is not of type 'integer'"),
    (put("models.lenet.training.epochs", 0), "models.lenet.training.epochs", "minimum of 1"),
    (put("models.lenet.training.epochs", None), "models.lenet.training.epochs", "missing"),
    (put("models.lenet.training.learning_rate", -1), "models.lenet.training.learning_rate", "-1"),
    (put("models.lenet.training.optimizer", "adamw"), "models.lenet.training.optimizer", "not one of adam, sgd"),
    (put("models.lenet.architecture", "LeNet"), "models.lenet.architecture", "of the form module.Class, such as lenet"),
    (
        put("models.A.training.augmentation", {"pad": 2, "flip": "often"}),
        "models.A.training.augmentation.flip",
        "often",
    ),
    (
        put("models.lenet.architecture", "lenet.LeNet5"),
        "models.lenet",
        "available: airbench.Airbench, alex_net.AlexNet",
    ),
    (put("models.lenet.architecture", "lenet5.LeNet"), "models.lenet", "lenet.LeNet"),
    (put("models.lenet.architecture", None), "models.lenet", "needs one of architecture, python, torch"),
    (put("models.lenet.architecture", None), "models.lenet", "torchscript, onnx; none is given"),
    (put("models.lenet.python", "a.py:A"), "models.lenet", "architecture and python are given"),
    (put("models.CNN.arguments", {"batchnorm": True}), "models.CNN.arguments.batchnorm", "takes filters, dropout"),
    (put("models.mine", {"python": "no.py:Net", "training": {"epochs": 1}}), "models.mine.python", "does not exist"),
    (put("models.mine", {"python": "Net", "training": {"epochs": 1}}), "models.mine.python", "not of the form path"),
    (put("attacks.mine", {"python": "my.pkg.attack"}), "attacks.mine.python", "of the form path/to/file.py:name"),
    (
        put("models.mine", {"python": "foolflow/compute/seeds.py:Net", "training": {"epochs": 1}}),
        "models.mine.python",
        "does not define 'Net'",
    ),
    (put("models.a/b", {"architecture": "lenet.LeNet", "training": {"epochs": 1}}), "models.a/b", "not a usable name"),
    (put("attacks.fgsm.method", None), "attacks.fgsm", "needs method or python; neither is given"),
    (put("attacks.fgsm.method", "fsgm"), "attacks.fgsm", "available: apgd, autoattack, automatic, corrupt"),
    (put("attacks.fgsm.method", "keras:FGSM"), "attacks.fgsm.method", "'keras:FGSM' is not the name of an attack or "),
    (put("defenses.d", {"method": "JPEG", "at": ["test"]}), "defenses.d", "no 'JPEG'; available: "),
    (put("attacks.mine", SQUEEZED), "attacks.mine.parameters.squeezers.0", "no 'JPEG'; available: "),
    (put("attacks.fgsm.parameters.epsilon", -0.1), "attacks.fgsm.parameters.epsilon", "above 0"),
    (put("attacks.fgsm.parameters.epsilon", []), "attacks.fgsm.parameters.epsilon", "list of such numbers"),
    (put("attacks.fgsm.parameters", {}), "attacks.fgsm.parameters.epsilon", "missing; fgsm needs it"),
    (put("attacks.fgsm.parameters.steps", 3), "attacks.fgsm.parameters.steps", "unknown; fgsm takes epsilon"),
    (put("attacks.deepfool.targets", "all"), "attacks.deepfool.targets", "deepfool does not support targets"),
    (put("attacks.fgsm.targets", "most"), "attacks.fgsm.targets", "random, all; the number of a class"),
    (put("attacks.deepfool.per_class", 1), "attacks.deepfool", "images and per_class exclude each other"),
    (put("attacks.deepfool.images", 0), "attacks.deepfool.images", "minimum of 1"),
    (put("attacks.up, away", {"method": "fgsm"}), "attacks.up, away", "not a usable name"),
    (put("attacks.c", {"method": "corrupt"}), "attacks.c.parameters.epsilon", "missing; noise needs it"),
    (put("attacks.c", corrupted("fog", 1)), "attacks.c.parameters.kind", "'fog' is not one of noise, sign_noise"),
    (put("attacks.c", corrupted("blur", "much")), "attacks.c.parameters.strength", "not of type float or Sequence"),
    (put("attacks.c", corrupted("rotation", [5, 200])), "attacks.c.parameters.strength", "200 is out of range"),
    (put("attacks.c", corrupted("rotation", [5, "x"])), "attacks.c.parameters.strength", "'x' is out of range"),
    (put("attacks.c", corrupted("jpeg", 50, draws=3)), "attacks.c.parameters.draws", "jpeg draws no random numbers"),
    (put("attacks.c", corrupted("jpeg", 50, epsilon=0.1)), "attacks.c.parameters.epsilon", "jpeg has none"),
    (put("defenses.none", {"method": "median_filter", "at": ["test"]}), "defenses.none", "not a usable name"),
    (put("defenses.feature_squeezing.at", []), "defenses.feature_squeezing.at", "[]"),
    (put("defenses.feature_squeezing.at", ["val"]), "defenses.feature_squeezing.at.0", "not one of train, test"),
    (
        put("defenses.feature_squeezing.parameters.width", 3),
        "defenses.feature_squeezing.parameters.width",
        "takes size",
    ),
    (put("datasets.mnist.source", "imagenet"), "datasets.mnist.source", "not one of mnist, fashion_mnist"),
    (put("datasets.mnist.val", None), "datasets.mnist.val", "missing; robustness trains lenet on this data set"),
    (put("datasets.digits.test", None), "datasets.digits.test", "missing"),
    (put("datasets.digits.val", None), "datasets.digits.val", "missing; `test` images are set aside from a data set"),
    (put("datasets.mnist.size", 32), "datasets.mnist.size", "only for the sources folder and npz, not for mnist"),
    (put("datasets.mine", {"source": "npz", "val": 5}), "datasets.mine.path", "missing"),
    (put("datasets.mine", NPZ | {"size": 0}), "datasets.mine.size", "minimum of 1"),
    (put("datasets.mine", NPZ | {"crop": [32, 5000]}), "datasets.mine.crop.1", "maximum of 4096"),
    (put("datasets.mine", NPZ | {"size": [32]}), "datasets.mine.size", "1 given; at least 2 are needed"),
    (put("datasets.mine", NPZ | {"size": [32, 32, 3]}), "datasets.mine.size", "3 given; at most 2"),
    (put("datasets.mine", NPZ | {"size": 32, "resize": 32}), "datasets.mine", "size and resize exclude each other"),
    (put("datasets.mine", NPZ | {"size": 32, "crop": 32}), "datasets.mine", "size and crop exclude each other"),
    (put("datasets.mine", NPZ | {"test": 5}), "datasets.mine.val", "missing"),
    (put("datasets.mine", NPZ | {"size": "x"}), "datasets.mine.size", "'x'"),
    (put("datasets.mnist.test", 100), "datasets.mnist.test", "not for this source"),
    (put("models.lenet", 3), "models.lenet", "3 is not of type 'object'"),
    (put("attacks.fgsm", "hello"), "attacks.fgsm", "'hello' is not of type 'object'"),
    (put("defenses.d", 3), "defenses.d", "3 is not of type 'object'"),
    (put("attacks.deepfool.parameters.steps", "fifty"), "attacks.deepfool.parameters.steps", "not of type int"),
    (put("attacks.deepfool.parameters.steps", True), "attacks.deepfool.parameters.steps", "not of type int"),
    (put("defenses.feature_squeezing.parameters.size", "3"), "defenses.feature_squeezing.parameters.size", "int"),
    (put("models.MLP_bn.arguments.batch_norm", "yes"), "models.MLP_bn.arguments.batch_norm", "not of type bool"),
    (again("studies.detection.detections"), "studies.detection.detections.1", "same dataset, model, detector"),
    (again("studies.fgsm_sweep.sweeps"), "studies.fgsm_sweep.sweeps.1", "same dataset, model, attack"),
    (put("device", "gpu"), "device", "not one of auto, cpu, cuda"),
    (put("seeds", []), "seeds", "[]"),
    (put("seeds", [1, 1]), "seeds", "non-unique"),
    (put("results", 3), "results", "3 is not of type 'string'"),
    (put("studies.fgsm", {}), "studies.fgsm", "unknown key; allowed are defenses"),
    (put(f"{SWEEP}.model", "lenet5"), f"{SWEEP}.model", "'lenet5' is not among the models: lenet"),
    (put(f"{SWEEP}.dataset", "minst"), f"{SWEEP}.dataset", "'minst' is not among the datasets: mnist"),
    (put(f"{SWEEP}.attack", "deepfool"), f"{SWEEP}.attack", "has no list of epsilons"),
    (put(f"{SWEEP}.control", "x"), f"{SWEEP}.control", "'x' is not among the attacks"),
    (put(f"{SWEEP}.control", "fgsm_sweep"), f"{SWEEP}.control", "fgsm_sweep is no random noise; a control has method"),
    (put(f"{SWEEP}.control", "noise_sweep_fine"), f"{SWEEP}.control", "they must be the same"),
    (put("attacks.noise_sweep", corrupted("rotation", [5, 10])), f"{SWEEP}.control", "noise_sweep is no random noise"),
    (put("attacks.noise_sweep.parameters.epsilon", 0.1), f"{SWEEP}.control", "noise_sweep has epsilon 0.1, fgsm_swee"),
    (put("attacks.noise_sweep.parameters.norm", "l2"), f"{SWEEP}.control", "has norm l2; here it must be linf"),
    (put("attacks.noise_sweep.images", 5), f"{SWEEP}.control", "(noise_sweep: images 5, fgsm_sweep: all images)"),
    (put(f"{SWEEP}.control", 3), f"{SWEEP}.control", "3 is not of type 'string', 'null'"),
    (put(f"{SWEEP}.modified_epsilon", 0.123), f"{SWEEP}.modified_epsilon", "not among the epsilons"),
    (put(f"{WAYS}.model", "x"), f"{WAYS}.model", "'x' is not among the models"),
    (put(f"{WAYS}.white_box", ["x"]), f"{WAYS}.white_box", "'x' is not among the attacks"),
    (put(f"{WAYS}.white_box", ["fgsm_any", "deepfool"]), f"{WAYS}.white_box", "neither an epsilon nor a strength"),
    (put(f"{WAYS}.black_box", ["fgsm_sweep"]), f"{WAYS}.black_box", "(fgsm_sweep: all images, fgsm_any: images 1000)"),
    (put(f"{WAYS}.controls", ["pgd_any"]), f"{WAYS}.controls", "pgd_any is no control"),
    (
        put("attacks.pgd_any.parameters", {"epsilon": 0.3, "norm": "l2"}),
        f"{WAYS}.white_box",
        "pgd_any has norm l2, fgsm_any has linf; all epsilons must be in one norm",
    ),
    (put("attacks.fgsm_targeted.targets", "all"), f"{WAYS}.white_box", "fgsm_targeted makes several"),
    (put(f"{WAYS}.transfer.sources", ["lenet/none"]), f"{WAYS}.transfer.sources", "lenet/none is the network itself"),
    (put(f"{WAYS}.transfer.sources", ["CNN"]), f"{WAYS}.transfer.sources", "'CNN' is not a model/defense"),
    (put("studies.robustness.dataset", "x"), "studies.robustness.dataset", "'x' is not among the datasets"),
    (put("studies.robustness.models", ["RNN"]), "studies.robustness.models", "'RNN' is not among the models"),
    (put("studies.robustness.defenses", ["x"]), "studies.robustness.defenses", "'x' is not among the defenses"),
    (put("studies.robustness.attacks", ["x"]), "studies.robustness.attacks", "'x' is not among the attacks"),
    (put("studies.robustness.attacks", ["fgsm_sweep"]), "studies.robustness.attacks", "has a list of epsilons"),
    (put("studies.robustness.attacks", ["fgsm_03"]), "studies.robustness.attacks", "fgsm_03 has epsilon 0.3"),
    (put("studies.robustness.attacks", ["stadv"]), "studies.robustness.attacks", "stadv has targets"),
    (put("studies.robustness.attacks", "all"), "studies.robustness.attacks", "none of: standard; a list of names"),
    (put("studies.robustness.epsilon", 8), "studies.robustness.epsilon", "did you mean 8/255?"),
    (put("studies.robustness.epsilon", 0), "studies.robustness.epsilon", "0"),
    (put("studies.robustness.norm", "l1"), "studies.robustness.norm", "'l1' is not one of linf, l2"),
    (put("studies.robustness.budget", "soon"), "studies.robustness.budget", "null; a time, such as 90 s"),
    (put("studies.robustness.budget", 10), "studies.robustness.budget", "10"),
    (put("studies.robustness.images", 0), "studies.robustness.images", "0"),
    (put("studies.minimal.models", ["RNN"]), "studies.minimal.models", "'RNN' is not among the models"),
    (put("studies.minimal.attacks", ["x"]), "studies.minimal.attacks", "'x' is not among the attacks: "),
    (put("studies.minimal.attacks", None), "studies.minimal.attacks", "missing"),
    (put("studies.minimal.attacks", ["fgsm_sweep"]), "studies.minimal.attacks", "fgsm_sweep has a list of epsilons"),
    (
        put("attacks.deepfool.images", 5),
        "studies.minimal.attacks",
        "deepfool: images 5",
    ),
    (put(f"{MORE}.name", "linf"), "studies.minimal.comparisons.2.name", "'linf' is used more than once"),
    (
        put(f"{MORE}.name", "speed"),
        f"{MORE}.name",
        "'speed' is the name of another table of this study; choose another",
    ),
    (put(f"{MORE}.norm", "l0"), f"{MORE}.norm", "'l0' is not one of l1, l2, linf"),
    (put(f"{MORE}.models", ["x"]), f"{MORE}.models", "'x' is not among the models"),
    (put(f"{MORE}.defenses", ["x"]), f"{MORE}.defenses", "'x' is not among the defenses"),
    (put(f"{MORE}.attacks", ["dichotomy_200", "dichotomy"]), f"{MORE}.attacks", "they must run on the same images"),
    (put(f"{FIXED}.attack", "x"), f"{FIXED}.attack", "'x' is not among the attacks"),
    (put(f"{FIXED}.attack", "fgsm"), f"{FIXED}.attack", "fgsm needs a list of epsilons, norm l2 and no targets"),
    (put(f"{FIXED}.shortest", "dichotomy"), f"{FIXED}.attack", "(fixed_norm: images 200, dichotomy: images 1000)"),
    (put("studies.minimal.control", "x"), "studies.minimal.control", "'x' is not among the attacks"),
    (put("studies.minimal.control", "dichotomy"), "studies.minimal.control", "dichotomy is no random noise"),
    (put("studies.minimal.control", "noise_sweep"), "studies.minimal.control", "norm linf; here it must be l2"),
    (put("attacks.noise_l2_sweep.images", 7), "studies.minimal.control", "it must run on the same images"),
    (put("attacks.noise_l2_sweep.parameters.epsilon", 2), "studies.minimal.control", "has no list of epsilons"),
    (put("studies.minimal.perturbation", None), "studies.minimal.perturbation", "missing"),
    (put(f"{SHOWN}.models", ["RNN"]), f"{SHOWN}.models", "'RNN' is not among the models"),
    (put(f"{SHOWN}.attack", "x"), f"{SHOWN}.attack", "'x' is not among the attacks"),
    (put(f"{SHOWN}.attack", "fgsm_sweep"), f"{SHOWN}.attack", "fgsm_sweep has a list of epsilons"),
    (put(f"{SHOWN}.images", [-1]), f"{SHOWN}.images.0", "minimum of 0"),
    (put("studies.stadv.datasets", ["x"]), "studies.stadv.datasets", "not among the datasets"),
    (put("studies.stadv.attack", "x"), "studies.stadv.attack", "not among the attacks"),
    (put("studies.stadv.grid", "deepfool"), "studies.stadv.grid", "deepfool needs `targets: all`"),
    (put("studies.stadv.grid", "stadv"), "studies.stadv.grid", "stadv needs `targets: all`; the grid shows"),
    (put("studies.stadv.attack", "fgsm_targeted"), "studies.stadv.attack", "fgsm_targeted has no flow"),
    (put("studies.stadv.students.models", ["lenet"]), "studies.stadv.students.models", "lenet is not among studies.st"),
    (put("studies.stadv.students.attack", "x"), "studies.stadv.students.attack", "not among the attacks"),
    (put("studies.stadv.literal", "fgsm_targeted"), "studies.stadv.literal", "fgsm_targeted has no flow"),
    (
        put("studies.stadv.explorations.attack", "fgsm_targeted"),
        "studies.stadv.explorations.attack",
        "fgsm_targeted has no flow; it needs method stadv or stadv_students",
    ),
    (
        put("studies.stadv.post_mortem.steps.0.attack", "fgsm_targeted"),
        "studies.stadv.post_mortem.steps.0.attack",
        "no flow",
    ),
    (put("studies.stadv.explorations.models", ["x"]), "studies.stadv.explorations.models", "not among the models"),
    (
        put("studies.stadv.post_mortem.steps.0.attack", "fgsm"),
        "studies.stadv.post_mortem.steps.0.attack",
        "needs `targets: random`",
    ),
    (put(f"{R3}.static", ["x"]), f"{R3}.static", "not among the attacks"),
    (without_attacks(R3), R3, "needs at least one of static, white_box, adaptive"),
    (without_attacks(STRENGTHS), STRENGTHS, "needs at least one of static, adaptive"),
    (put(f"{R3}.adaptive", ["fgsm_sweep"]), f"{R3}.adaptive", "fgsm_sweep has a list of epsilons"),
    (put(f"{R3}.defenses", ["x"]), f"{R3}.defenses", "not among the defenses"),
    (
        put(f"{R3}.masking.single_step", "stadv"),
        f"{R3}.masking.single_step",
        "'stadv' is not among the attacks of white",
    ),
    (put(f"{DETECTION}.detector", "x"), f"{DETECTION}.detector", "'x' is not among the detectors: joint_mnist"),
    (put(f"{DETECTION}.attacks", []), f"{DETECTION}.attacks", "non-empty"),
    (put(f"{DETECTION}.attacks", ["fgsm_sweep"]), f"{DETECTION}.attacks", "fgsm_sweep has a list of epsilons"),
    (put(f"{DETECTION}.adaptive", ["pgd_undetected_cifar10"]), f"{DETECTION}.adaptive", "are not those of joint_mnist"),
    (put(f"{DETECTION}.epsilon", 0.3), f"{DETECTION}.epsilon", "0.3 is 76.5 of 255 levels"),
    (put(f"{DETECTION}.attacks", ["fgsm_03"]), f"{DETECTION}.epsilon", "fgsm_03 has epsilon 0.3, more than 76/255"),
    (put("studies.detection.false_positives", 1.5), "studies.detection.false_positives", "1.5"),
    (
        put("detectors.joint_mnist.squeezers", ["adversarial_training"]),
        "detectors.joint_mnist",
        "is a training method, not a filter",
    ),
    (put("detectors.joint_mnist.squeezers", ["x"]), "detectors.joint_mnist.squeezers", "not among the defenses"),
    (put("studies.defenses.evaluations.1.name", "r3"), "studies.defenses.evaluations", "'r3' is used more than once"),
    (put(f"{STRENGTHS}.adaptive", ["nothing"]), f"{STRENGTHS}.adaptive", "'nothing' is not among the attacks"),
    (put(f"{STRENGTHS}.adaptive", ["fgsm_8"]), f"{STRENGTHS}.adaptive", "fgsm_8 is not adaptive"),
    (put(f"{STRENGTHS}.defenses", ["pgd_training"]), f"{STRENGTHS}.defenses", "pgd_training is no filter"),
    (put(f"{STRENGTHS}.defenses", ["x"]), f"{STRENGTHS}.defenses", "not among the defenses"),
    (put(f"{STRENGTHS}.models", ["x"]), f"{STRENGTHS}.models", "not among the models"),
    (put("defenses.adversarial_training.at", ["test"]), "defenses.adversarial_training.at", "applies only to training"),
    (put("defenses.jpeg.training", {"epochs": 2}), "defenses.jpeg.training", "applies only at test"),
    (put("defenses.jpeg.parameters.quality", "good"), "defenses.jpeg.parameters.quality", "'good' is not of type"),
    (put("attacks.pgd_adaptive.filter_gradient", "none"), "attacks.pgd_adaptive.filter_gradient", "not one of own"),
    (put(f"{MATRIX}.dataset", "x"), f"{MATRIX}.dataset", "not among the datasets"),
    (put(f"{MATRIX}.models", ["x"]), f"{MATRIX}.models", "not among the models"),
    (put(f"{MATRIX}.models", ["MLP"]), MATRIX, "one victim; a matrix needs two"),
    (put(f"{MATRIX}.attack", "x"), f"{MATRIX}.attack", "not among the attacks"),
    (put(f"{MATRIX}.attack", "fgsm_sweep"), f"{MATRIX}.attack", "makes several adversarial images of each"),
    (put(f"{MATRIX}.attack", "stadv_grid"), f"{MATRIX}.attack", "makes several adversarial images of each"),
    (put(f"{MATRIX}.control", "x"), f"{MATRIX}.control", "'x' is not among the attacks"),
    (put(f"{MATRIX}.control", "fgsm_03"), f"{MATRIX}.control", "fgsm_03 is no random noise"),
    (put(f"{MATRIX}.control", "translated"), f"{MATRIX}.control", "translated is no random noise"),
    (put(f"{MATRIX}.control", "noise_sweep"), f"{MATRIX}.control", "noise_sweep makes several adversarial images"),
    (put(f"{MATRIX}.control", "cw_03_transfer"), f"{MATRIX}.control", "is the attack of the matrix itself"),
    (put(f"{MATRIX}.attack", "deepfool"), f"{MATRIX}.control", "deepfool has no epsilon, so no random noise has"),
    (put("attacks.noise_03.parameters.norm", "l2"), f"{MATRIX}.control", "has norm l2; here it must be linf"),
    (put("attacks.noise_03.parameters.epsilon", 0.1), f"{MATRIX}.control", "has epsilon 0.1, cw_03_transfer has 0.3"),
    (put("attacks.noise_03.images", 500), f"{MATRIX}.control", "it must run on the same images (noise_03: images 500"),
    (put(f"{MATRIX}.name", "a/b"), f"{MATRIX}.name", "'a/b' is not a usable name: letters"),
    (put(f"{BOARD}.name", "mnist_l2"), "studies.leaderboard.boards", "'mnist_l2' is used more than once"),
    (put(f"{BOARD}.defenses", ["x"]), f"{BOARD}.defenses", "not among the defenses"),
    (put(f"{BOARD}.attacks", ["x"]), f"{BOARD}.attacks", "not among the attacks"),
    (put(f"{BOARD}.norm", "l1"), f"{BOARD}.norm", "not one of l2, linf"),
    (put(f"{BOARD}.norm", None), BOARD, "epsilon without norm; give both or neither"),
    (put(f"{BOARD}.epsilon", 0.001), f"{BOARD}.epsilon", "fgsm_8 has no epsilon up to 0.001, only 8/255"),
    (put(f"{BOARD}.attacks", ["fgsm_sweep"]), f"{BOARD}.epsilon", "fgsm_sweep has no epsilon up to 8/255"),
    (put(f"{BOARD}.transfer_from", ["six_conv"]), f"{BOARD}.transfer_from", "'six_conv' is not a model/defense"),
    (put(f"{BOARD}.transfer_from", ["x/none"]), f"{BOARD}.transfer_from", "'x/none' is not a model/defense"),
    (put(f"{BOARD}.transfer_from", None), f"{BOARD}.transfer_attacks", "no victim to make the images on"),
    (put(f"{BOARD}.transfer_attacks", ["x"]), f"{BOARD}.transfer_attacks", "'x' is not among the attacks"),
    (put(f"{BOARD}.transfer_attacks", ["cw_03"]), f"{BOARD}.epsilon", "cw_03 has no epsilon up to 8/255, only 0.3"),
]


@pytest.mark.parametrize(("edit", "key", "words"), CASES, ids=[f"{key}-{words[:20]}" for _, key, words in CASES])
def test_each_problem_is_one_line_that_names_its_key(config, schema, edit, key, words):
    broken = copy.deepcopy(config)
    edit(broken)
    lines = problems(broken, schema)
    assert any(line.startswith(f"{key}") and words in line for line in lines), lines
    assert all("\n" not in line and len(line) < 400 for line in lines)


def test_a_list_of_strengths_is_rejected_where_a_list_of_epsilons_is(config, schema):
    config["attacks"]["turned"] = corrupted("rotation", [5, 10])
    assert problems(config, schema) == []
    for part, key in (("defenses.evaluations.0", "white_box"), ("robustness", "attacks"), ("minimal", "attacks")):
        broken = copy.deepcopy(config)
        put(f"studies.{part}.{key}", ["turned"])(broken)
        line = f"studies.{part}.{key}: turned has a list of strengths; it needs a single one here"
        assert line in problems(broken, schema)


@pytest.mark.parametrize("part", ["minimal.fixed_norm", "minimal.control", "stadv.literal"])
def test_a_part_of_a_study_is_turned_off_by_null(config, schema, part):
    study, key = part.split(".")
    attack = config["studies"][study][key]
    attack = attack["attack"] if isinstance(attack, dict) else attack
    cells = importlib.import_module(f"foolflow.studies.{study}").cells
    assert attack in {cell["attack"] for cell in cells(with_defaults(config))}
    config["studies"][study][key] = None
    assert problems(config, schema) == []
    assert attack not in {cell["attack"] for cell in cells(with_defaults(config))}


def test_a_control_may_be_left_out_or_null(config, schema):
    sweeps = config["studies"]["fgsm_sweep"]["sweeps"]
    sweeps[0]["control"] = None
    for sweep in sweeps[1:]:
        sweep.pop("control", None)
    config["studies"]["fgsm_sweep"]["comparisons"] = []
    config["studies"]["minimal"]["control"] = None
    assert problems(config, schema) == []
    assert not {"noise_sweep", "noise_l2_sweep"} & {cell["attack"] for cell in minimal.cells(with_defaults(config))}
    assert {cell["attack"] for cell in fgsm_sweep.cells(config)} == {"fgsm_sweep", "fgsm_sweep_fine"}


@pytest.mark.parametrize("key", ["attacks.fgsm", "datasets.mnist", "defenses.jpeg", "models.lenet", "studies.minimal"])
def test_a_wrong_type_is_reported_once(config, schema, key):
    put(key, "hello")(config)
    assert problems(config, schema) == [f"{key}: 'hello' is not of type 'object'"]


def test_a_config_needs_only_what_it_uses(schema):
    assert problems({}, schema) == []
    assert with_defaults({}) == {
        "results": "results",
        "data_mirror": None,
        "device": "auto",
        "page": {"megabytes": 15},
        "seeds": [0],
        "datasets": {},
        "models": {},
        "defenses": {},
        "detectors": {},
        "attacks": {},
        "studies": {},
    }


def test_defaults_do_not_replace_given_values(config):
    assert with_defaults(config) == config
    filled = with_defaults({"seeds": [3]})
    assert filled["seeds"] == [3]
    filled["models"]["lenet"] = {}
    assert with_defaults({})["models"] == {}


def test_names_that_a_users_file_assigns_or_imports_count_as_defined(config, schema, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from functools import partial\nfrom foolflow.models.lenet import LeNet as Base\n"
        "Mine = partial(Base, dropout=0.1)\n"
    )
    for name in ("Mine", "Base"):
        config["models"][name] = {"python": f"{file}:{name}", "training": {"epochs": 1}}
    assert problems(config, schema) == []


def test_the_minimal_study_rejects_targeted_attacks(config, schema):
    config["attacks"]["mine"] = {"method": "pgd", "parameters": {"epsilon": 0.1}, "targets": "all"}
    config["studies"]["minimal"] |= {"attacks": ["mine"], "control": None}
    assert problems(config, schema) == [
        "studies.minimal.attacks: mine has targets; this study compares untargeted attacks"
    ]


PEERS = {
    "foolbox:L2FMNAttack": "foolbox",
    "advlib:ddn": "adv-lib",
    "art:DeepFool": "adversarial-robustness-toolbox",
    "autoattack:standard": "pyautoattack",
    "torchattacks:PGD": "torchattacks",
}


@pytest.mark.parametrize(("method", "distribution"), PEERS.items())
def test_a_missing_library_gives_one_line_with_the_fix(config, schema, monkeypatch, method, distribution):
    monkeypatch.setattr("foolflow.workflow.config.calls.installed", lambda _: None)
    config["attacks"]["fgsm"] = {"method": method}
    config["studies"] = {"defenses": {"evaluations": config["studies"]["defenses"]["evaluations"][:1]}}
    (line,) = problems(config, schema)
    assert line.startswith(f"attacks.fgsm.method: {distribution} is not installed; ")
    assert "pip install " in line


def test_a_librarys_attack_is_checked_without_importing_it(root):
    pytest.importorskip("foolbox")
    code = """
import sys, pathlib, yaml
from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.numbers import with_numbers
from foolflow.workflow.config.schema import load_schema
from tests.workflow.edits import put
config = with_numbers(yaml.safe_load(pathlib.Path("config.yaml").read_text()))
config["attacks"]["fmn"] = {"method": "foolbox:L2FMNAttack", "parameters": {"step": 3}}
print(problems(config, load_schema()))
print({"torch", "foolbox"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    lines, imported = done.stdout.splitlines()
    assert lines.startswith("['attacks.fmn.parameters.step: unknown; L2FMNAttack takes steps, max_stepsize")
    assert imported == "set()"


def test_a_missing_library_is_a_problem_only_if_a_study_needs_it(config, schema, monkeypatch):
    monkeypatch.setattr("foolflow.workflow.config.calls.installed", lambda distribution: None)
    config["attacks"] = {name: entry for name, entry in config["attacks"].items() if ":" not in entry["method"]}
    config["studies"] = {"minimal": config["studies"]["minimal"] | {"attacks": ["dichotomy"], "comparisons": []}}
    before = problems(config, schema)
    config["attacks"]["theirs"] = {"method": "foolbox:DDNAttack", "images": 1000}
    assert problems(config, schema) == before
    config["studies"]["minimal"]["attacks"].append("theirs")
    (line,) = set(problems(config, schema)) - set(before)
    assert line.startswith("attacks.theirs.method: foolbox is not installed; ")
    assert "extra `peers`" in line
