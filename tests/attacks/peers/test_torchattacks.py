import pytest
import torch

from tests.attacks.peers.conftest import l2


def test_a_radius_is_called_epsilon(attacked):
    images, made = attacked("torchattacks:PGD", epsilon=0.1, steps=4)
    assert (made.images - images).abs().max() <= 0.1 + 1e-6
    assert made.gradient_evaluations[l2(images, made) > 0].float().mean() == 4


def test_targets(attacked, other_classes):
    _, made = attacked("torchattacks:PGD", epsilon=0.5, alpha=0.05, steps=20, targets=other_classes[:12])
    assert made.success.float().mean() > 0.3
    assert torch.equal(made.success, made.predictions == other_classes[:12])


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        ("torchattacks:Pgd", {}, "method: torchattacks has no attack 'Pgd'; among its 37 attacks: PGD"),
        ("torchattacks:MultiAttack", {}, "method: torchattacks has no attack 'MultiAttack'"),
        ("torchattacks:PGD", {}, "parameters.epsilon: missing; PGD needs it"),
        ("torchattacks:CW", {"steps": "many"}, "parameters.steps: 'many' is not of type float"),
        ("torchattacks:CW", {"step": 3}, "parameters.step: unknown; CW takes c, kappa, steps, lr"),
    ],
)
def test_each_config_mistake_is_one_line(problems_of, method, parameters, line):
    (found,) = problems_of(method, parameters)
    assert found.startswith(line)


def test_targets_of_an_untargeted_attack_are_reported(problems_of):
    assert problems_of("torchattacks:DeepFool", targeted=True) == ["targets: DeepFool does not support targets"]
    assert problems_of("torchattacks:PGD", {"epsilon": 0.1}, targeted=True) == []
