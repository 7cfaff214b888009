"""The library's entry point, on networks small enough to check by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import foolflow
from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.standard import standard_attacks
from foolflow.defenses.filtered import Filtered
from foolflow.errors import InvalidInput
from tests.conftest import random_affine

FGSM = {"method": "fgsm", "parameters": {"epsilon": 0.1}}
FAST = ["noise", "fgsm", "pgd_margin"]


@pytest.fixture(scope="module")
def data():
    model = random_affine(0)
    images = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:10] = (labels[:10] + 1) % 5  # clean errors
    return model, images, labels


def evaluated(model, images, labels=None, **more):
    return foolflow.evaluate(model, images, labels, **{"attacks": FAST, "progress": False, "epsilon": 0.1} | more)


def test_the_standard_attacks_give_one_table_with_rates_intervals_and_medians(data):
    found = evaluated(*data, attacks="standard")
    table = found.summary().set_index("attack")
    assert list(table.index) == ["clean", *standard_attacks("linf", 0.1), "worst case"]
    assert table.loc["clean", "accuracy"] == 0.75
    assert table.loc["worst case", "accuracy"] == found.worst_case <= table.loc["pgd", "accuracy"]
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    assert table["n"].eq(40).all()
    assert table.loc["minimal_l2", ["median", "median_low", "median_high"]].notna().all()
    assert "only 40 images" in table.loc["pgd", "warnings"]


def test_epsilons_may_be_a_list_a_tuple_an_array_or_a_tensor(data):
    for values in ([0.05, 0.1], (0.05, 0.1), np.array([0.05, 0.1]), torch.tensor([0.05, 0.1])):
        found = evaluated(*data, attacks={"mine": {"method": "pgd", "parameters": {"epsilon": values, "steps": 3}}})
        assert found.summary().set_index("attack").loc["mine", "n"] == 40
    one = evaluated(*data, attacks={"fgsm": {"method": "fgsm", "parameters": {"epsilon": np.float64(0.1)}}})
    assert 0 < one.worst_case < 0.75


def test_an_attack_with_several_epsilons_is_compared_with_the_others(data):
    """For signs of masking, at the largest epsilon within the ball."""
    entries = {
        "pgd": {"method": "pgd", "parameters": {"epsilon": [0.01, 0.1], "steps": 10}},
        "fgsm": {"method": "fgsm", "parameters": {"epsilon": 0.1}},
    }
    table = evaluated(*data, attacks=entries).summary().set_index("attack")
    assert table.loc["pgd", "accuracy"] <= table.loc["fgsm", "accuracy"]
    assert "masking" not in table.loc["pgd", "warnings"]  # which its smallest epsilon alone would suggest


def test_of_epsilons_of_another_norm_each_image_within_the_ball_counts(data):
    steps = {"method": "pgd", "parameters": {"norm": "linf", "epsilon": [0.03, 0.9], "steps": 3}}
    found = evaluated(*data, norm="l2", epsilon=1.0, attacks={"other": steps})
    records = found.records("other")
    fooled = (records["prediction"] != records["label"]) & (records["l2"] <= 1.0)
    assert (records["epsilon"][fooled] < 0.9).any()
    wrong = fooled | (records["clean_prediction"] != records["label"])
    assert found.worst_case == pytest.approx(1 - wrong.groupby(records["index"]).any().mean())
    assert found.show(2).axes
    large = {"method": "pgd", "parameters": {"norm": "l2", "epsilon": [0.5, 1.0], "steps": 3}}
    assert evaluated(*data, attacks={"other": large}).worst_case <= 0.75


def test_attacks_without_an_image_in_common_have_no_worst_case(data):
    model, images, labels = data
    label = int(labels[0])
    entries = {"first": FGSM | {"images": 1}, "others": FGSM | {"targets": label}}
    with pytest.raises(InvalidInput, match=r"^attacks: first, others have no image in common, so there is no worst"):
        evaluated(model, images, labels, attacks=entries)
    unbounded = {"method": "dichotomy", "targets": label, "parameters": {"norm": "l2"}}
    assert evaluated(model, images, labels, attacks=entries | {"others": unbounded}).summary()["n"].tolist()[-1] == 1


def test_a_model_that_is_never_right_has_an_answer(data):
    model, images, _ = data
    with torch.no_grad():
        wrong = (model(images).argmax(1) + 1) % 5
    table = evaluated(model, images, wrong).summary().set_index("attack")
    assert table.loc["clean", "accuracy"] == table.loc["worst case", "accuracy"] == 0
    assert table["fooled"].isna().all()


@pytest.fixture(params=[torch.float32, torch.float64])
def default_dtype(request):
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("default_dtype")
def test_attacks_go_straight_through_a_filter_that_rounds(data):
    """Which has no gradient of its own, so that attacks along it would flatter the filter."""
    model, images, labels = data
    victim = Filtered(model, lambda given: (given * 15).round() / 15, at=["test"]).eval()
    found = evaluated(victim, images, labels, epsilon=0.15).summary().set_index("attack")
    bare = evaluated(model, images, labels, epsilon=0.15).summary().set_index("attack")
    assert found.loc["pgd_margin", "accuracy"] < found.loc["noise", "accuracy"]
    assert found.loc["pgd_margin", "accuracy"] <= bare.loc["pgd_margin", "accuracy"] + 0.1
    assert "zero" not in str(found.loc["clean", "warnings"])
    mine = {"mine": {"method": "pgd", "parameters": {"epsilon": 0.15, "loss": "margin", "steps": 40, "restarts": 2}}}
    own = evaluated(victim, images, labels, epsilon=0.15, attacks=mine).summary().set_index("attack")
    assert own.loc["mine", "accuracy"] == found.loc["pgd_margin", "accuracy"]


def test_the_worst_case_of_a_linear_model_is_the_exact_one(data):
    """The smallest L-infinity perturbation is the gap over the L1 norm of its gradient, if no pixel is clipped."""
    model, images, _ = data
    images = 0.3 + 0.4 * images
    with torch.no_grad():
        logits = model(images)
    labels = logits.argmax(1)
    weights = model.weight.detach()
    gaps = logits.gather(1, labels[:, None]) - logits
    distances = gaps / (weights[labels][:, None] - weights).abs().sum(2).clamp_min(1e-12)
    distances.scatter_(1, labels[:, None], torch.inf)
    nearest = distances.amin(1)
    epsilon = float(nearest.sort().values[19:21].mean())  # half of the images are nearer
    exact = (nearest > epsilon).float().mean().item()
    assert exact == 0.5
    assert evaluated(model, images, labels, epsilon=epsilon).worst_case == pytest.approx(exact)


def test_tensors_arrays_and_loaders_give_the_same_numbers(data):
    model, images, labels = data
    expected = evaluated(model, images, labels).summary()
    others = [
        (images.numpy(), labels.numpy()),
        (images.double(), labels.int()),
        (DataLoader(TensorDataset(images, labels), batch_size=7), None),
        ([(images[:15], labels[:15].tolist()), (images[15:].numpy(), labels[15:])], None),
    ]
    for pair in others:
        assert evaluated(model, *pair).summary().equals(expected)


def test_8_bit_images_are_the_same_as_their_fractions(data):
    model, images, labels = data
    whole = (images * 255).round().to(torch.uint8)
    assert evaluated(model, whole, labels).summary().equals(evaluated(model, whole.float() / 255, labels).summary())


class Wrapped(nn.Module):
    def __init__(self, network, output):
        super().__init__()
        self.network, self.output = network, output

    def forward(self, images):
        return self.output(self.network(images))


class Output:
    def __init__(self, logits):
        self.logits = logits


OUTPUTS = {
    "tuple": lambda z: (z, 1),
    "dict": lambda z: {"logits": z, "loss": z.sum()},
    "object": Output,
    "softmax": lambda z: z.softmax(1),
    "float64": lambda z: z.double(),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_whatever_holds_the_logits_is_understood(data, kind):
    model, images, labels = data
    found = evaluated(Wrapped(model, OUTPUTS[kind]), images, labels)
    expected = evaluated(model, images, labels)
    assert found.summary()["correct"].tolist() == expected.summary()["correct"].tolist()
    assert any("softmax" in line for line in found.warnings) == (kind == "softmax")


def test_the_model_is_left_as_it_was(data):
    model, images, labels = data
    network = nn.Sequential(nn.Dropout(0.5), model).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = images.clone()
    found = evaluated(network, images, labels)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert torch.equal(images, given)
    assert found.summary()["correct"].tolist() == evaluated(model, images, labels).summary()["correct"].tolist()


def test_without_a_gradient_the_other_attacks_still_run(data):
    model, images, labels = data
    found = evaluated(lambda x: model(x.detach()), images, labels, attacks="standard")
    assert list(found.summary()["attack"]) == ["clean", "noise", "autoattack", "worst case"]
    assert found.worst_case < 0.75
    assert any("no gradient" in line for line in found.warnings)


def test_a_random_model_is_reported_and_judged_over_several_draws(data):
    model, images, labels = data
    found = evaluated(lambda x: model(x + 0.2 * torch.randn_like(x)), images, labels)
    (line,) = [line for line in found.warnings if "random" in line]
    assert "the mean of 10 passes" in line
    assert found.records("pgd_margin")["fooled_share"].between(0.01, 0.99).any()
    again = evaluated(lambda x: model(x + 0.2 * torch.randn_like(x)), images, labels)
    assert again.summary().equals(found.summary())
    assert not any("random" in line for line in evaluated(model, images, labels).warnings)


def test_the_modes_of_the_caller_change_nothing(data):
    model, images, labels = data
    expected = evaluated(model, images, labels).summary()
    modes = (torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"))
    for mode in modes:
        with mode:
            assert evaluated(model, images, labels).summary().equals(expected)


def test_logits_that_saturate_the_softmax_are_reported(data):
    model, images, labels = data
    found = evaluated(Wrapped(model, lambda z: 1e4 * z), images, labels, attacks=["pgd", "minimal_l2"])
    assert any("exactly zero" in line and "gradient masking" in line for line in found.warnings)
    assert found.summary().set_index("attack").loc["minimal_l2", "median"] > 0


def test_attacks_can_be_entries_of_a_config_or_functions(data):
    model, images, labels = data

    def brighter(model, images, labels):
        return (images + 0.1).clamp(0, 1)

    attacks = {"mine": brighter, "slow": {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 3}}}
    found = evaluated(model, images, labels, attacks=attacks)
    assert list(found.summary()["attack"]) == ["clean", "mine", "slow", "worst case"]
    assert np.allclose(found.images("mine"), (images + 0.1).clamp(0, 1))
    assert len(found.records("slow")) == 40


def test_a_function_counts_in_the_worst_case_where_it_stays_in_the_ball(data):
    """Its images move by up to twice epsilon, so only some count."""
    model, images, labels = data

    def uneven(model, images, labels):
        sizes = torch.linspace(0, 0.2, len(images))[:, None, None, None]
        return fgsm(model, images, labels, epsilon=1.0).images.clamp(images - sizes, images + sizes)

    found = evaluated(model, images, labels, attacks={"mine": uneven})
    records = found.records("mine")
    wrong = (records["clean_prediction"] != records["label"]) | (records["success"] & (records["linf"] <= 0.1 + 1e-6))
    assert found.worst_case == 1 - wrong.mean()
    assert 0.25 < wrong.mean() < records["success"].mean()


def test_the_figure_shows_the_requested_number_of_images_with_class_names(data):
    model, images, labels = data
    found = evaluated(model, images, labels, class_names=["ant", "bee", "cat", "dog", "eel"])
    figure = found.show(3)
    assert len(figure.axes) == 9
    assert figure.axes[0].get_title().split("\n")[0] in ("ant", "bee", "cat", "dog", "eel")
    assert repr(found).startswith("The model classifies 75.0 % of 40 clean images correctly, and ")


def test_a_low_accuracy_is_reported_with_the_order_that_would_be_better(data):
    model, images, _ = data
    with torch.no_grad():
        shifted = (model(images).argmax(1) + 1) % 5
    (warning,) = [line for line in evaluated(model, images, shifted).warnings if "chance" in line]
    assert "with the classes in another order it would be 100.0 %" in warning


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"labels": None}, "labels: missing"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "40 whole numbers are needed"),
        ({"labels": torch.zeros(40)}, "whole numbers"),
        ({"labels": torch.zeros(40, 1, dtype=torch.int64)}, r"whole numbers are needed; give labels\[:, 0\]"),
        ({"labels": torch.eye(5)[torch.zeros(40).long()]}, r"if they are one-hot, give labels.argmax\(1\)"),
        ({"labels": torch.full((40,), 5)}, "the model has 5 outputs, 0 to 4"),
        ({"labels": torch.arange(40) % 5 + 1}, "labels from 1 to 5; the model has 5 outputs, 0 to 4; subtract 1"),
        ({"labels": torch.full((40,), -1)}, "the model has 5 outputs, 0 to 4"),
        ({"images": torch.rand(40, 4, 4)}, "images: shape"),
        (
            {"images": torch.rand(40, 4, 4, 1)},
            r"shape \(40, 4, 4, 1\) is \(N, H, W, C\); transpose them to \(N, C, H, W",
        ),
        ({"images": 200 * torch.rand(40, 1, 4, 4)}, "divide by 255"),
        ({"images": torch.ones(40, 1, 4, 4, dtype=torch.uint8)}, "uint8 from 0 to 1, where white is 255; multiply by"),
        ({"images": torch.randn(40, 1, 4, 4)}, "normalise inside the model"),
        ({"images": torch.full((40, 1, 4, 4), float("nan"))}, r"\[0, 1\] is needed"),
        ({"images": torch.ones(40, 1, 4, 4, dtype=torch.int64)}, "uint8, or floats"),
        ({"images": [], "labels": None}, "there are none"),
        ({"norm": "l1"}, "linf or l2"),
        ({"epsilon": 0}, "above 0"),
        ({"epsilon": 8}, "for linf at most 1"),
        ({"epsilon": torch.tensor([0.1, 0.2])}, "a number above 0"),
        ({"epsilon": True}, "a number above 0"),
        ({"attacks": {"mine": {"method": "pgd", "parameters": {"epsilon": []}}}}, "epsilon is an empty list"),
        ({"epsilon": "8/255"}, "epsilon '8/255': a number above 0, for linf at most 1, such as 8 / 255"),
        ({"attacks": ["pgd", "magic"]}, "'magic' is not among the standard attacks"),
        ({"attacks": []}, "nothing is not among"),
        ({"attacks": [{"method": "pgd"}]}, "is not among the standard attacks"),
        ({"attacks": torch.relu}, "attacks: a builtin_function_or_method; give a list of names, or a dict"),
        ({"attacks": {"mine": 3}}, "attack 'mine': 3 is neither a function nor a dict with method or python"),
        ({"attacks": {"mine": {"methd": "pgd"}}}, "neither a function nor a dict"),
        ({"attacks": {"mine": {"method": "deepfool", "norm": "l2"}}}, "neither a function nor a dict"),
        ({"attacks": {"mine": {"method": "pgd", "parameters": 3}}}, "neither a function nor a dict"),
        ({"attacks": {"mine": {"method": "nope"}}}, "attacks has no 'nope'; available: apgd, "),
        ({"attacks": {"mine": {"method": "base"}}}, "attacks has no 'base'"),
        ({"attacks": {"mine": {"method": "nolib:x"}}}, "attack nolib:x failed"),
        ({"attacks": {"mine": {"python": "nowhere.py:attack"}}}, "names a file that does not exist"),
        ({"attacks": {"mine": {"method": "pgd"}}}, "attack 'mine': pgd: missing a required argument: 'epsilon'"),
        (
            {"attacks": {"mine": {"method": "deepfool", "parameters": {"depth": 1}}}},
            "unexpected keyword argument 'depth'",
        ),
        ({"attacks": {"mine": {"method": "pgd", "targets": "random", "parameters": {}}}}, "'epsilon'"),
        *(
            ({"attacks": {"mine": FGSM | {key: value}}}, f"'mine': {key}: ")
            for key, value in [
                *(("targets", "next"), ("targets", -1), ("targets", True), ("images", 0), ("images", "5")),
                *(("per_class", 1.5), ("batch_size", "100"), ("samples", 0), ("samples", "10")),
            ]
        ),
        ({"attacks": {"mine": FGSM | {"images": 2, "per_class": 2}}}, "images and per_class exclude each other"),
        (
            {"attacks": {"mine": {"method": "fgsm", "parameters": {"epsilon": [0.3, 0.2]}}}, "epsilon": 0.1},
            r"'mine': none of its epsilons \[0.3, 0.2\] is within 0.1",
        ),
        ({"class_names": ["a", "b"]}, "2 class_names"),
        ({"model": 3}, "cannot be called"),
        ({"model": nn.Linear(3, 2)}, r"another size, resize or crop the images \(in a config, with"),
        (
            {"model": lambda x: x.flatten(1) / x.flatten(1).sum(1, keepdim=True)},
            r"so that it returns probabilities.log\(",
        ),
        ({"model": lambda x: x.flatten(1) / 0}, "check its weights and normalisation"),
    ],
)
def test_every_mistake_is_one_line(data, change, line):
    model, images, labels = data
    with pytest.raises(InvalidInput, match=line) as caught:
        evaluated(**{"model": model, "images": images, "labels": labels} | change)
    assert "\n" not in str(caught.value)


def test_the_function_is_not_hidden_by_its_module():
    import foolflow.evaluate as module  # noqa: F401

    assert callable(foolflow.evaluate)


def test_progress_goes_to_standard_error(data, capsys):
    evaluated(*data, attacks=["noise"], progress=True)
    captured = capsys.readouterr()
    assert "noise:" in captured.err
    assert "noise:" not in captured.out


def test_nothing_goes_to_standard_output_even_if_batches_do_not_fit_in_memory(data, capsys):
    model, images, labels = data

    def small(x):
        if len(x) > 25:
            raise MemoryError
        return model(x)

    assert evaluated(small, images, labels, attacks=["noise"]).worst_case <= 0.75
    assert "".join(capsys.readouterr()) == ""
    evaluated(small, images, labels, attacks=["noise"], progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "40 images at once do not fit in memory; trying halves" in captured.err
