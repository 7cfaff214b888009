"""No attack depends on classes that play no part, on an offset that all logits share, or on the unit of the logits."""

import pytest
import torch
from torch import nn

import foolflow
from foolflow.attacks.base import clean_scale, is_clear_success
from foolflow.errors import InvalidInput
from tests.attacks.cases import CASES, Changed

COUNT = 24


def with_class(value, count=1):
    return lambda logits: torch.cat([logits, logits.new_full((len(logits), count), value)], 1)


def never_predicted(logits):
    return torch.cat([logits, logits.amin(1, keepdim=True) - 1], 1)


NAMES = [name for name, case in CASES.items() if case.method != "corrupt"]  # it does not look at the logits
EXTRA_CLASSES = {
    "-1e9": with_class(-1e9),
    "-1e30": with_class(-1e30),
    "the least float32": with_class(torch.finfo(torch.float32).min),
    "as many again at -1e9": with_class(-1e9, 10),
    "990 at -1e9": with_class(-1e9, 990),
    "never predicted": never_predicted,
}


def attacked(trained, name, change=lambda logits: logits):
    images, labels = trained.images[:COUNT], trained.labels[:COUNT]
    made = CASES[name].run(Changed(trained.model, change), images, labels, classes=10)
    return made, (made.images - images).flatten(1).norm(dim=1)


@pytest.fixture(scope="module")
def plain(trained):
    return {name: attacked(trained, name) for name in NAMES}


@pytest.mark.parametrize("extra", EXTRA_CLASSES)
@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_is_never_predicted_changes_nothing(trained, plain, name, extra):
    made, distances = attacked(trained, name, EXTRA_CLASSES[extra])
    expected, expected_distances = plain[name]
    assert made.success.tolist() == expected.success.tolist()
    assert expected.success.sum() >= 5  # the test would pass otherwise even if no attack worked
    if extra != "never predicted" or CASES[name].epsilon is None:
        tolerance = 1e-3 if extra != "never predicted" else 0.05  # it has a share in the softmax
        assert distances.median().item() == pytest.approx(expected_distances.median().item(), rel=tolerance)
    assert (made.gradient_evaluations <= 1.5 * expected.gradient_evaluations + 10).all()


MINIMAL = [name for name, case in CASES.items() if case.minimal]
UNITS = {
    "+ 1e6": lambda logits: logits + 1e6,
    "- 1e6": lambda logits: logits - 1e6,
    "* 1e4": lambda logits: logits * 1e4,
    "* 1e-4": lambda logits: logits * 1e-4,
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", MINIMAL)
def test_minimal_attacks_depend_neither_on_an_offset_nor_on_the_unit_of_the_logits(trained, plain, name, unit):
    made, distances = attacked(trained, name, UNITS[unit])
    expected, expected_distances = plain[name]
    tolerance = 0.02 if "*" in unit else 0.2  # an offset of 1e6 rounds the logits to multiples of 0.06
    assert made.success.sum() >= expected.success.sum() - int("*" not in unit)
    assert distances.median().item() == pytest.approx(expected_distances.median().item(), rel=tolerance)


def test_a_success_is_clear_if_it_exceeds_the_rounding_of_the_two_logits_compared():
    labels = torch.tensor([0])
    scale = clean_scale(torch.tensor([[6.0, 1.0, -1e9]]), labels)
    assert scale.item() == 5

    def clear(*logits):
        return is_clear_success(torch.tensor([logits]), labels, None, scale).item()

    assert clear(1.0, 1.001, -1e9)
    assert clear(1.0, 1.001, -1e9, -1e9, -1e9)
    assert not clear(1.0, 1.00001, -1e9)
    assert not clear(1e6, 1e6 + 0.125, 0.0)
    assert clear(1e6, 1e6 + 1, 0.0)


@pytest.mark.parametrize("masked", [1, 2, 8])
@pytest.mark.parametrize(
    ("classes", "expected"),
    [(3, "deepfool"), (3, "dichotomy"), (3, "dichotomy, linf"), (3, "automatic"), (2, "deepfool"), (2, "dichotomy")],
)
def test_few_classes_and_masked_ones(classes, expected, masked):
    torch.manual_seed(0)
    images = torch.rand(8, 1, 8, 8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
    labels = network(images).argmax(1)
    alone = CASES[expected].run(network, images, labels)
    among_masked = CASES[expected].run(Changed(network, with_class(-1e9, masked)), images, labels)
    assert alone.success.all()
    assert among_masked.success.all()
    distances = [(made.images - images).flatten(1).norm(dim=1) for made in (alone, among_masked)]
    assert torch.allclose(*distances, rtol=1e-3)


@pytest.mark.parametrize("method", ["fgsm", "dichotomy", "stadv"])
def test_a_class_at_minus_infinity_gives_one_line(trained, method):
    parameters = {"epsilon": 0.1} if method == "fgsm" else {}
    with pytest.raises(InvalidInput, match=r"^the model returns logits that are not finite; to mask class 10, use .*$"):
        getattr(foolflow.attacks, method)(
            Changed(trained.model, with_class(-torch.inf)), trained.images[:2], trained.labels[:2], **parameters
        )
