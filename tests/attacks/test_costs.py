import pytest
import torch

from foolflow.attacks.costs import UNKNOWN, passes
from foolflow.attacks.counting import passes_counted
from foolflow.attacks.loading import load_attack

SQUEEZERS = [{"method": "bit_depth", "parameters": {"bits": 3}}]
ENTRIES = [
    {"method": "fgsm", "parameters": {"epsilon": 0.1}},
    {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 20}},
    {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 20, "restarts": 3, "loss": "margin"}},
    {"method": "pgd_undetected", "parameters": {"epsilon": 0.15, "steps": 10, "squeezers": SQUEEZERS}},
    {"method": "deepfool"},
    {"method": "dichotomy"},
    {"method": "dichotomy", "parameters": {"norm": "linf", "steps": 50}},
    {"method": "dichotomy", "parameters": {"variant": "published", "steps": 100, "learning_rate": 0.02}},
    {"method": "automatic"},
    {"method": "automatic", "parameters": {"variant": "published", "steps": 50}},
    {"method": "stadv"},
    {"method": "stadv", "parameters": {"solver": "batched"}},
    {"method": "stadv_students", "parameters": {"scores": "logits", "floor": -1.0}},
    {"method": "corrupt", "parameters": {"epsilon": 0.2}},
    {"method": "autoattack", "parameters": {"epsilon": 0.3}},
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['method']} {entry.get('parameters', '')}")
def test_the_estimate_is_within_a_factor_of_three(trained, entry):
    images, labels = trained.images[:30], trained.labels[:30]
    targets = {"targets": (labels + 1) % 10} if entry["method"] == "stadv_students" else {}
    counts = [0]
    with passes_counted(trained.model, counts.append):
        made = load_attack(entry, None)(trained.model, images, labels, **targets)
        trained.model(images[:0])  # reports the last pass
    forward, backward = counts[-1] / len(images), made.gradient_evaluations.float().mean().item()
    cost = passes(entry, 10)
    assert cost.forward / 3 <= forward <= 3 * cost.forward
    assert cost.backward / 3 <= backward <= 3 * cost.backward
    assert forward <= 1.5 * cost.at_most.forward
    assert cost.at_most.forward >= cost.forward
    assert cost.at_most.backward >= cost.backward


def test_a_package_and_unknown_attacks():
    standard = passes({"method": "autoattack:standard", "parameters": {"epsilon": 0.1}}, 10)
    assert standard.at_most.forward > 5000
    assert passes({"python": "mine.py:attack"}, 10) == UNKNOWN
    assert passes({"method": "torchattacks:PGD", "parameters": {"steps": 7}}, 10).forward == 9


def test_the_planner_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, foolflow.attacks.costs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_hook_is_removed_and_the_count_is_of_images():
    model, counts = torch.nn.Flatten(), []
    with passes_counted(model, counts.append):
        model(torch.rand(3, 1, 2, 2))
        model(torch.rand(2, 1, 2, 2))
    model(torch.rand(2, 1, 2, 2))
    assert counts == [0, 3]
