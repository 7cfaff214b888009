import pytest
import torch

from tests.attacks.peers.conftest import l2

GRID = {"max_translation": 10.0, "num_translations": 3, "max_rotation": 20.0, "num_rotations": 3}


def test_spatial_transformation_gives_each_image_its_own(attacked):
    images, made = attacked("art:SpatialTransformation", count=8, **GRID)
    alone, one = attacked("art:SpatialTransformation", count=1, **GRID)
    assert made.success.float().mean() > 0.5
    assert made.gradient_evaluations.sum() == 0
    assert torch.equal(made.images[:1], one.images)
    assert torch.equal(images[:1], alone)


def test_a_radius_is_called_epsilon(attacked):
    images, made = attacked("art:ProjectedGradientDescent", epsilon=0.1, max_iter=4)
    assert (made.images - images).abs().max() <= 0.1 + 1e-6
    assert made.gradient_evaluations[l2(images, made) > 0].float().mean() == 4


def test_targets(attacked, other_classes):
    _, made = attacked("art:ProjectedGradientDescent", epsilon=0.5, max_iter=20, targets=other_classes[:12])
    assert made.success.float().mean() > 0.3
    assert torch.equal(made.success, made.predictions == other_classes[:12])


@pytest.mark.parametrize(
    ("method", "parameters", "line"),
    [
        ("art:SpatialTransfrm", {}, "method: ART has no attack 'SpatialTransfrm'; among its "),
        (
            "art:SpatialTransformation",
            {"max_shift": 3},
            "parameters.max_shift: unknown; SpatialTransformation takes max_translation",
        ),
        ("art:FastGradientMethod", {"eps": 0.1, "epsilon": 0.1}, "parameters.eps: unknown"),
        ("art:FastGradientMethod", {}, "parameters.epsilon: missing"),
        ("art:DeepFool", {"epsilon": 0.1}, "parameters.epsilon: unknown"),  # an overshoot, not a radius
        ("art:DeepFool", {"max_iter": 1.5}, "parameters.max_iter: 1.5 is not of type int"),
    ],
)
def test_each_config_mistake_is_one_line(problems_of, method, parameters, line):
    (found,) = problems_of(method, parameters)
    assert found.startswith(line)


def test_targets_of_an_untargeted_attack_are_reported(problems_of):
    assert problems_of("art:DeepFool", targeted=True) == ["targets: DeepFool does not support targets"]
