import sys

import pytest
import torch

from tests.attacks.peers.conftest import l2


@pytest.mark.parametrize(
    ("method", "parameters", "gradients"),
    [("advlib:ddn", {"steps": 40}, 40), ("advlib:alma", {"num_steps": 100}, 100)],
)
def test_minimal_attacks_find_near_adversarials(attacked, method, parameters, gradients):
    images, made = attacked(method, **parameters)
    standing = l2(images, made) > 0
    assert made.success.all()
    assert l2(images, made)[standing].median() < 2.5
    assert made.gradient_evaluations[standing].float().mean() == gradients


def test_a_radius_is_called_epsilon(attacked):
    images, made = attacked("advlib:pgd_linf", epsilon=0.1, steps=5)
    assert (made.images - images).abs().max() <= 0.1 + 1e-6
    images, made = attacked("advlib:apgd", epsilon=0.1, norm=float("inf"), n_iter=5)
    assert (made.images - images).abs().max() <= 0.1 + 1e-6


def test_targets(attacked, other_classes):
    _, made = attacked("advlib:ddn", steps=60, targets=other_classes[:12])
    assert made.success.all()
    assert torch.equal(made.predictions, other_classes[:12])


def test_visdom_is_neither_needed_nor_left_in_sys_modules(attacked):
    attacked("advlib:ddn", steps=1, count=2)
    assert sys.modules.get("visdom") is None


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        ("advlib:dnd", {}, "method: adv-lib has no attack 'dnd'; available: alma, apgd"),
        ("advlib:ddn", {"targeted": True}, "parameters.targeted: unknown; ddn takes steps, "),
        ("advlib:fmn", {}, "parameters.norm: missing; fmn needs it"),
        ("advlib:alma", {"distance": 2}, "parameters.distance: 2 is not of type str"),
        ("advlib:alma", {"penalty": "P2"}, "parameters.penalty: unknown"),
        ("advlib:pgd_linf", {}, "parameters.epsilon: missing; pgd_linf needs it"),
    ],
)
def test_each_config_mistake_is_one_line(problems_of, method, parameters, line):
    (found,) = problems_of(method, parameters)
    assert found.startswith(line)
