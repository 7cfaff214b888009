import pytest
import torch


def test_the_standard_version_fools_every_image_within_epsilon(attacked):
    images, made = attacked("autoattack:standard", count=6, epsilon=0.3)
    assert made.success.all()
    assert (made.images - images).abs().max() <= 0.3 + 1e-6
    again = attacked("autoattack:standard", count=6, epsilon=0.3)[1]
    assert torch.equal(again.images, made.images)


def test_one_part_of_autoattack_can_run_alone(attacked):
    images, made = attacked("autoattack:custom", attacks=["apgd-ce"], epsilon=0.5, norm="L2", count=6)
    assert (made.images - images).flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    assert made.gradient_evaluations.sum() > 0


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        ("autoattack:strong", {}, "method: AutoAttack has no attack 'strong'; available: custom, plus, rand, standard"),
        ("autoattack:standard", {}, "parameters.epsilon: missing; standard needs it"),
        ("autoattack:standard", {"epsilon": 0.1, "norm": "Linfty"}, "parameters.norm: 'Linfty' is not of type 'Linf'"),
        ("autoattack:standard", {"epsilon": 0.1, "attacks": ["fab"]}, "parameters.attacks: unknown"),
        ("autoattack:custom", {"epsilon": 0.1}, "parameters.attacks: missing"),
        ("autoattack:custom", {"epsilon": 0.1, "attacks": []}, "parameters.attacks: is empty"),
        ("autoattack:custom", {"epsilon": 0.1, "attacks": ["pgd"]}, "parameters.attacks: 'pgd' is not one of apgd-ce"),
    ],
)
def test_each_config_mistake_is_one_line(problems_of, method, parameters, line):
    (found,) = problems_of(method, parameters)
    assert found.startswith(line)


def test_targets_are_rejected(problems_of):
    problems = problems_of("autoattack:standard", {"epsilon": 0.1}, targeted=True)
    assert problems == ["targets: standard does not support targets"]
