import pytest
import torch
from torch import nn

from foolflow.attacks.judging import classify, judge
from foolflow.attacks.loading import load_attack
from tests.attacks.peers.conftest import l2
from tests.saving import run_attack


def test_fmn_finds_near_adversarials(attacked):
    images, made = attacked("foolbox:L2FMNAttack", steps=50)
    standing = l2(images, made) > 0
    assert made.success.all()
    assert 0 < l2(images, made)[standing].median() < 3
    assert made.gradient_evaluations[standing].float().mean() == 50


def test_boundary_needs_no_gradient(attacked):
    images, made = attacked("foolbox:BoundaryAttack", steps=50)
    assert made.success.float().mean() > 0.8
    assert made.gradient_evaluations.sum() == 0
    assert made.details["queries"].float().mean() > 50
    assert torch.equal(l2(images, made) > 0, made.success & (l2(images, made) > 0))


class Brightness(nn.Module):
    """Predict class 1 where the mean is above 0.7. Uniform noise has a mean of about 0.5."""

    def forward(self, images):
        mean = images.flatten(1).mean(1)
        return torch.stack([0.7 - mean, mean - 0.7], 1)


@pytest.mark.filterwarnings("ignore:.*failed to draw sufficient random inputs:UserWarning")
def test_an_image_without_a_starting_point_fails_alone(needs):
    """All noise images have the same class, so images of that class have no start. Foolbox would fail the batch."""
    needs("foolbox")
    attack = load_attack({"method": "foolbox:BoundaryAttack", "parameters": {"steps": 5}}, None)
    images = torch.tensor([0.5, 0.9, 0.4, 0.8]).view(4, 1, 1, 1).expand(4, 1, 16, 16)
    made = attack(Brightness(), images, torch.tensor([0, 1, 0, 1]))
    assert made.success.tolist() == [False, True, False, True]
    assert torch.equal(made.images[~made.success], images[~made.success])


def test_perturbations_stay_within_epsilon(attacked):
    images, made = attacked("foolbox:LinfPGD", epsilon=0.1, steps=5)
    assert (made.images - images).abs().max() <= 0.1 + 1e-6


def test_distances_are_given_by_name(attacked):
    images, made = attacked("foolbox:InversionAttack", distance="l2")
    assert torch.allclose(made.images[l2(images, made) > 0], 1 - images[l2(images, made) > 0])


def test_black_images_from_carlini_wagner_count_as_failures(attacked):
    images, made = attacked("foolbox:L2CarliniWagnerAttack", binary_search_steps=2, steps=5)
    assert made.details["rejected"].any()
    rejected = made.details["rejected"]
    assert torch.equal(made.images[rejected], images[rejected])
    assert not made.success[rejected].any()


def test_targets(attacked, other_classes):
    _, made = attacked("foolbox:L2FMNAttack", steps=50, targets=other_classes[:12])
    assert torch.equal(made.success, made.predictions == other_classes[:12])
    assert made.success.float().mean() > 0.8


def test_a_peer_has_the_same_records_as_our_attacks(digits_splits, trained, needs):
    needs("foolbox")
    entry = {"method": "foolbox:FGSM", "parameters": {"epsilon": [0.1, 0.3]}, "images": 30, "batch_size": 20}
    test, cpu = digits_splits["test"], torch.device("cpu")
    made = run_attack(trained.model, test, entry, cpu)
    clean = classify(trained.model, torch.from_numpy(test.images), cpu)
    records = judge(trained.model, test, clean, made, cpu)
    assert len(records) == len(made) == 60
    assert (records.groupby("epsilon")["linf"].max() - [0.1, 0.3]).abs().max() < 1e-6
    predictions = trained.model(torch.from_numpy(made.tensors["images"])).argmax(1).numpy()
    assert (records["prediction"] == predictions).all()
    assert {"queries", "rejected", "gradient_evaluations"} <= set(records)
    right = records["clean_prediction"] == records["label"]
    assert (records["gradient_evaluations"] == right).all()


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        ("foolbox:L2FMN", {}, "method: foolbox has no attack 'L2FMN'; among its 69 attacks: L2FMNAttack"),
        ("foolbox:Attack", {}, "method: foolbox has no attack 'Attack'"),
        ("foolbox:L2FMNAttack", {"step": 3}, "parameters.step: unknown; L2FMNAttack takes steps, max_stepsize"),
        ("foolbox:L2FMNAttack", {"steps": "many"}, "parameters.steps: 'many' is not of type int"),
        ("foolbox:L2FMNAttack", {"epsilon": 0.1}, "parameters.epsilon: unknown"),
        ("foolbox:FGSM", {}, "parameters.epsilon: missing; FGSM needs it"),
        ("foolbox:BoundaryAttack", {"init_attack": "x"}, "parameters.init_attack: unknown"),
        ("foolbox:InversionAttack", {"distance": "l7"}, "parameters.distance: 'l7' is not of type 'l0' or 'l1'"),
        ("foolbox:GenAttack", {"epsilon": 0.1}, "targets: missing; GenAttack needs targets"),
    ],
)
def test_each_config_mistake_is_one_line(problems_of, method, parameters, line):
    (found,) = problems_of(method, parameters)
    assert found.startswith(line)
    assert len(found) < 300


@pytest.mark.parametrize("name", ["L2DeepFoolAttack", "NewtonFoolAttack"])
def test_targets_of_an_untargeted_attack_are_reported(problems_of, name):
    assert problems_of(f"foolbox:{name}", targeted=True) == [f"targets: {name} does not support targets"]
    assert problems_of("foolbox:L2FMNAttack", targeted=True) == []
