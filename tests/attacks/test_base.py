import pytest
import torch
from torch import nn

import foolflow
from foolflow.attacks.base import is_success, lead, margin
from foolflow.compute.freezing import frozen
from foolflow.workflow.code_digest import closure


def network():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 5))
    model.train()
    model[2].eval()  # a mode that a blanket model.train() would not restore
    model[1].weight.requires_grad_(False)
    return model


def state(model):
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [parameter.grad for parameter in model.parameters()],
        [tensor.clone() for tensor in model.state_dict().values()],
    )


def same(before, after):
    return before[:3] == after[:3] and all(torch.equal(*pair) for pair in zip(before[3], after[3], strict=True))


@pytest.mark.parametrize("attack", ["fgsm", "deepfool"])
def test_an_attack_does_not_change_the_model_the_images_or_the_random_state(attack):
    model = network()
    images, labels = torch.rand(6, 1, 4, 4), torch.randint(0, 5, (6,))
    kept = images.clone()
    before, random_state = state(model), torch.get_rng_state()
    parameters = {"epsilon": 0.1} if attack == "fgsm" else {}
    getattr(foolflow.attacks, attack)(model, images, labels, **parameters)
    assert same(before, state(model))
    assert torch.equal(images, kept)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert images.grad is None


def test_the_model_is_restored_after_an_error():
    model = network()
    before = state(model)
    with pytest.raises(ZeroDivisionError), frozen(model):
        _ = 1 / sum(module.training for module in model.modules())  # none of them is
    assert same(before, state(model))


def test_a_target_of_minus_1_means_none():
    predictions, labels = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 0, 0])
    assert is_success(predictions, labels, None).tolist() == [False, True, False, True]
    assert is_success(predictions, labels, torch.tensor([-1, -1, 1, 1])).tolist() == [False, True, False, True]
    assert is_success(predictions, labels, torch.tensor([2, 2, 2, 2])).tolist() == [False] * 4


def test_margin_and_lead():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0], [2.0, 2.0, -1.0]])
    classes = torch.tensor([0, 2, 1])
    assert margin(logits, classes).tolist() == [-1, 1, 0]
    assert lead(logits, classes, None).tolist() == [-1, 1, 0]
    assert lead(logits, torch.tensor([1, 1, 0]), classes).tolist() == [1, -1, 0]


def test_no_attack_depends_on_the_standard_list():
    for name in dir(foolflow.attacks):
        assert "foolflow.attacks.standard" not in closure(f"foolflow.attacks.{name}"), name
    assert "foolflow.attacks.standard" not in closure("foolflow.attacks.running")
