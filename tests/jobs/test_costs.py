import pytest
import torch

from foolflow.attacks.counting import passes_counted
from foolflow.attacks.loading import load_attack
from foolflow.attacks.pgd import pgd
from foolflow.attacks.standard import standard_attacks
from foolflow.compute.speed import PROBE_STEPS
from foolflow.jobs.costs import UNKNOWN, passes

SQUEEZERS = [{"method": "bit_depth", "parameters": {"bits": 3}}]
BALLS = {"linf": 0.1, "l2": 1.5}
STANDARD = [
    (norm, name, entry)
    for norm, epsilon in BALLS.items()
    for name, entry in standard_attacks(norm, epsilon).items()
    if norm == "linf" or "epsilon" in entry["parameters"]
]
OTHERS = [
    {"method": "apgd", "parameters": {"epsilon": 0.1, "steps": 20, "restarts": 2}},
    {"method": "apgd", "parameters": {"epsilon": 0.1, "steps": 50, "loss": "dlr", "target_classes": 9}},
    {"method": "fab", "parameters": {"steps": 20}},
    {"method": "fab", "parameters": {"epsilon": 0.1, "steps": 50}},
    {"method": "fab", "parameters": {"norm": "l2", "steps": 20, "target_classes": 3}},
    {"method": "square", "parameters": {"epsilon": 0.3, "queries": 200}},
    {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 20, "restarts": 3}},
    {"method": "pgd_undetected", "parameters": {"epsilon": 0.15, "steps": 40, "squeezers": SQUEEZERS}},
    {"method": "deepfool"},
    {"method": "deepfool", "parameters": {"norm": "linf"}},
    {"method": "dichotomy", "parameters": {"norm": "linf", "steps": 50}},
    {"method": "dichotomy", "parameters": {"variant": "published", "steps": 40, "learning_rate": 0.05}},
    {"method": "fixed_norm", "parameters": {"epsilon": 1.5, "steps": 40, "learning_rate": 0.05}},
    {"method": "automatic"},
    {"method": "automatic", "parameters": {"variant": "published", "steps": 50}},
    {"method": "stadv", "parameters": {"solver": "batched"}},
    {"method": "stadv", "parameters": {"solver": "batched", "tau": 0.005}},
    {"method": "stadv", "parameters": {"solver": "adam", "max_evaluations": 20}},
    {"method": "stadv", "parameters": {"tau": 0.005}},
    {"method": "stadv_students"},
    {"method": "corrupt", "parameters": {"epsilon": 0.2, "draws": 3}},
    {"method": "corrupt", "parameters": {"kind": "rotation", "strength": 15, "draws": 10, "up_to": True}},
    {"method": "corrupt", "parameters": {"kind": "jpeg", "strength": 50}},
]


TRIAL = 0.3  # passes per image, of 16, in which the model is tried with faster layers


def counted(model, entry, images, labels):
    """Return the numbers of forward and backward passes per image."""
    passed = {"forward": 0, "backward": 0}

    def forward(_module, _arguments, logits):
        passed["forward"] += len(logits)
        if logits.requires_grad:
            logits.register_hook(backward)

    def backward(gradients):
        passed["backward"] += len(gradients)

    targets = {"targets": (labels + 1) % 10} if entry["method"] == "stadv_students" else {}
    handle = model.register_forward_hook(forward)
    try:
        load_attack(entry, None)(model, images, labels, **targets)
    finally:
        handle.remove()
    return passed["forward"] / len(images), passed["backward"] / len(images)


def test_samples_multiply_the_passes():
    entry = {"method": "stadv", "parameters": {"steps": 20}}
    once = passes(entry, 10, (1, 28, 28))
    for more, draws, times in [({}, 1, 1), ({}, 10, 10), ({"samples": "auto"}, 10, 10), ({"samples": 3}, 10, 3)]:
        found = passes(entry | more, 10, (1, 28, 28), draws)
        assert (found.forward, found.most_backward) == (times * once.forward, times * once.most_backward)
        assert found.seconds == once.seconds


def by_resistance(trained, norm):
    """Return correct images that a short attack, the one of the planner, fools, and those that it does not."""
    right = trained.model(trained.images).argmax(1) == trained.labels
    images, labels = trained.images[right][:200], trained.labels[right][:200]
    short = pgd(trained.model, images, labels, epsilon=BALLS[norm], norm=norm, loss="margin", steps=PROBE_STEPS)
    return [(images[rows], labels[rows]) for rows in (short.success, ~short.success)]


@pytest.mark.parametrize(("norm", "name", "entry"), STANDARD, ids=lambda value: value if isinstance(value, str) else "")
def test_the_standard_attacks_cost_half_to_twice_what_is_estimated(trained, norm, name, entry):
    """A few images that resist for longer can double what the images that fall cost, so networks differ."""
    falling, resisting = by_resistance(trained, norm)
    cost = passes(entry, 10)
    few = {"linf": 4, "l2": 0}[norm] if name == "autoattack" else 20  # its 6,000 passes take seconds
    for part, expected, count in ((falling, cost, 60), (resisting, cost.at_most, few)):
        if not count:
            continue
        images, labels = (tensor[:count] for tensor in part)
        assert len(images) == count
        forward, backward = counted(trained.model, entry, images, labels)
        assert expected.forward / 2 <= forward <= 2 * expected.forward
        assert expected.backward / 2 <= backward <= 2 * expected.backward


@pytest.mark.parametrize("entry", OTHERS, ids=lambda entry: f"{entry['method']} {entry.get('parameters', '')}")
def test_other_attacks_cost_about_what_is_estimated(trained, entry):
    cost = passes(entry, 10)
    forward, backward = counted(trained.model, entry, trained.images[:16], trained.labels[:16])
    between = sorted((cost.forward, cost.at_most.forward)), sorted((cost.backward, cost.at_most.backward))
    for found, (least, most) in zip((forward, backward), between, strict=True):
        assert 0.6 * least <= found <= 1.6 * most + TRIAL


def test_the_linear_systems_of_stadv_take_time_that_depends_on_the_shape():
    entry = {"method": "stadv"}
    assert passes(entry, 10).seconds == 0
    square, wide, tall = (passes(entry, 10, (3, *size)).seconds for size in ((64, 64), (64, 256), (256, 64)))
    assert 0.03 < square < 0.12
    assert wide == tall == pytest.approx(4 * square)
    assert passes(entry, 10, (3, 64, 64)).at_most.seconds == square
    half = {"method": "stadv", "parameters": {"steps": 30}}
    assert passes(half, 10, (3, 64, 64)).seconds == pytest.approx(square / 2)
    assert passes({"method": "stadv", "parameters": {"solver": "batched"}}, 10, (3, 64, 64)).seconds == 0
    assert passes({"method": "pgd", "parameters": {"epsilon": 0.1}}, 10, (3, 64, 64)).seconds == 0


def test_a_package_and_unknown_attacks():
    standard = passes({"method": "autoattack:standard", "parameters": {"epsilon": 0.1}}, 10)
    assert standard.at_most.forward > 5000
    custom = {"method": "autoattack:custom", "parameters": {"epsilon": 0.1, "attacks": ["apgd-ce"]}}
    assert passes(custom, 10).at_most.forward == 500  # five restarts
    square = {"method": "autoattack:custom", "parameters": {"epsilon": 0.1, "attacks": ["square"]}}
    assert passes(square, 10).backward < 2
    assert passes({"method": "autoattack:plus", "parameters": {"epsilon": 0.1}}, 10).most_backward > (
        2 * standard.most_backward
    )
    assert passes({"python": "mine.py:attack"}, 10) == UNKNOWN
    assert passes({"method": "torchattacks:PGD", "parameters": {"steps": 7}}, 10).forward == 9


def test_the_planner_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, foolflow.jobs.costs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_hook_is_removed_and_the_count_is_of_images():
    model, counts = torch.nn.Flatten(), []
    with passes_counted(model, counts.append):
        model(torch.rand(3, 1, 2, 2))
        model(torch.rand(2, 1, 2, 2))
    model(torch.rand(2, 1, 2, 2))
    assert counts == [0, 3]
