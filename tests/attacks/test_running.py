from contextlib import nullcontext

import numpy as np
import pytest
import torch

from foolflow.attacks import running
from foolflow.attacks.corrupt import corrupt
from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.judging import classify, judge, to_8_bits
from foolflow.attacks.warp import flow_loss
from foolflow.compute.acceleration import accelerated
from foolflow.data.splits import Split
from foolflow.defenses.filtered import Filtered
from foolflow.errors import InvalidInput
from tests.saving import run_attack

CPU = torch.device("cpu")


NAMES = tuple("0123456789")


def pixels(trained, count=60):
    return to_8_bits(trained.images[:count]), trained.labels[:count]


def run(trained, entry, count=60):
    images, labels = pixels(trained, count)
    return run_attack(trained.model, Split(images.numpy(), labels.numpy(), NAMES), entry, CPU)


def judged(trained, made, count=60):
    images, labels = pixels(trained, count)
    clean = classify(trained.model, images, CPU)
    return judge(trained.model, Split(images.numpy(), labels.numpy(), NAMES), clean, made, CPU)


def test_records_and_images_of_a_sweep_belong_together(trained):
    entry = {"method": "fgsm", "parameters": {"epsilon": [0.05, 0.2]}, "batch_size": 25}
    made = run(trained, entry)
    records = judged(trained, made)
    assert len(records) == len(made) == 120
    assert list(records["epsilon"].unique()) == [0.05, 0.2]
    assert records["index"].tolist() == [*range(60), *range(60)]
    images = torch.from_numpy(made.tensors["images"])
    assert (records["prediction"] == trained.model(images).argmax(1).numpy()).all()
    direct = fgsm(trained.model, pixels(trained)[0].float() / 255, pixels(trained)[1], epsilon=0.2)
    differs = (images[60:] - direct.images).abs() > 1e-6
    assert differs.float().mean() < 1e-3  # the sign of a gradient near 0 depends on rounding
    assert records["linf"].max() <= 0.2 + 1e-6


def test_each_strength_of_a_corruption_has_its_own_set(trained):
    entry = {"method": "corrupt", "parameters": {"kind": "rotation", "strength": [5, 30]}, "batch_size": 25}
    made = run(trained, entry)
    records = judged(trained, made)
    assert len(records) == 120
    assert records["strength"].tolist() == [5] * 60 + [30] * 60
    assert records["epsilon"].isna().all()
    assert records["index"].tolist() == [*range(60), *range(60)]
    images, labels = pixels(trained)
    for rank, strength in enumerate((5, 30)):
        direct = corrupt(trained.model, images.float() / 255, labels, kind="rotation", strength=strength)
        assert torch.equal(torch.from_numpy(made.tensors["images"][60 * rank : 60 * (rank + 1)]), direct.images)
    assert len(run(trained, {"method": "corrupt", "parameters": {"kind": "rotation", "strength": 5}})) == 60


def test_an_attack_without_epsilon_has_one_set(trained):
    records = judged(trained, run(trained, {"method": "deepfool"}))
    assert len(records) == 60
    assert records["epsilon"].isna().all()
    assert records["l2"].gt(0).sum() == (records["clean_prediction"] == records["label"]).sum()


def test_a_users_attack_runs_at_each_epsilon(trained, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def brighten(model, images, labels, *, epsilon):\n    return (images + epsilon).clamp(0, 1)\n")
    records = judged(trained, run(trained, {"python": f"{file}:brighten", "parameters": {"epsilon": [0.1, 0.4]}}))
    assert len(records) == 120
    assert records.groupby("epsilon")["linf"].max().round(4).tolist() == [0.1, 0.4]


def test_a_targeted_attack_succeeds_where_the_target_is_reached(trained):
    entry = {"method": "pgd", "targets": "random", "parameters": {"epsilon": [0.1, 0.3], "steps": 5}}
    records = judged(trained, run(trained, entry))
    assert (records["target"] != records["label"]).all()
    assert (records["success"] == (records["prediction"] == records["target"])).all()
    assert 0 < records["success"].mean() < 1
    assert (records["target"][:60].to_numpy() == records["target"][60:].to_numpy()).all()


def test_details_stay_with_their_images(trained):
    entry = {"method": "stadv", "targets": "all", "per_class": 1, "parameters": {"tau": 0.01, "max_evaluations": 5}}
    made = run(trained, entry)
    flow = made.tensors["flow"]
    assert flow.shape == (len(made), 2, 28, 28)
    assert judged(trained, made)["flow_loss"].to_numpy() == pytest.approx(flow_loss(torch.from_numpy(flow)).numpy())


def test_a_users_attack_receives_the_targets(trained, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "def attack(model, images, labels, *, targets):\n    return images * (targets > 4)[:, None, None, None]\n"
    )
    records = judged(trained, run(trained, {"python": f"{file}:attack", "targets": "random"}))
    assert (records["l2"] == 0).equals(records["target"] > 4)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('no')", "KeyError"),
        ("return images[:1]", "(1, 1, 28, 28)"),
        ("return None", "NoneType"),
        ("return images + 1", "leave [0, 1]"),
        ("return images * float('nan')", "not finite"),
        ("return images.double()", "float64"),
    ],
)
def test_the_error_names_a_users_attack_that_returns_invalid_values(trained, tmp_path, body, words):
    file = tmp_path / "mine.py"
    file.write_text(f"def attack(model, images, labels):\n    {body}\n")
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        run(trained, {"python": f"{file}:attack"})
    assert words in str(caught.value)


class Noisy(torch.nn.Module):
    """A victim that adds noise to its images, as a random filter does, and counts its passes."""

    def __init__(self, network, noise=0.5):
        super().__init__()
        self.network, self.noise, self.passes = network, noise, 0

    def forward(self, images):
        self.passes += 1
        return self.network(images + self.noise * torch.randn_like(images))


def run_noisy(trained, noise=0.5, **entry):
    images, labels = pixels(trained)
    split = Split(images.numpy(), labels.numpy(), NAMES)
    victim = Noisy(trained.model, noise)
    entry = {"method": "fgsm", "parameters": {"epsilon": 0.15}} | entry
    made = run_attack(victim, split, entry, CPU)
    clean = classify(victim, split.images, CPU, draws=10)
    return made, judge(victim, split, clean, made, CPU, draws=10), victim


def test_attacks_average_over_the_draws_of_a_random_victim(trained):
    """By default over 10 if the victim is random. The same key sets the number for every attack."""
    default, records, _ = run_noisy(trained)
    ten, _, _ = run_noisy(trained, samples=10)
    assert np.array_equal(default.tensors["images"], ten.tensors["images"])
    one, records_of_one, _ = run_noisy(trained, samples=1)
    assert not np.array_equal(default.tensors["images"], one.tensors["images"])
    assert records["fooled_share"].mean() > records_of_one["fooled_share"].mean() + 0.03


def test_samples_are_passes(trained):
    images, labels = pixels(trained)
    split = Split(images.numpy(), labels.numpy(), NAMES)
    counts = {}
    for samples in (1, 3):
        victim = Noisy(trained.model)
        run_attack(victim, split, {"method": "fgsm", "parameters": {"epsilon": 0.1}, "samples": samples}, CPU)
        counts[samples] = victim.passes
    tries = 2  # with and without the faster layers
    assert counts == {1: 2 + tries, 3: 6 + tries}


def test_a_success_is_that_of_the_mean_prediction_and_the_share_of_draws_is_recorded(trained):
    _, records, _ = run_noisy(trained)
    assert ((records["fooled_share"] * 10).round(6) % 1 == 0).all()
    assert records["fooled_share"].between(0.01, 0.99).any()
    assert records.loc[records["fooled_share"] < 0.2, "success"].mean() < 0.1
    assert records.loc[records["fooled_share"] > 0.8, "success"].mean() > 0.9
    assert (records["success"] == (records["prediction"] != records["label"])).all()


def test_several_draws_of_a_victim_that_is_not_random_change_nothing_else(trained):
    _, records, victim = run_noisy(trained, noise=0.0)
    assert victim.noise == 0
    assert set(records["fooled_share"]) <= {0.0, 1.0}
    assert (records["fooled_share"] == records["success"]).all()
    images, labels = pixels(trained)
    split = Split(images.numpy(), labels.numpy(), NAMES)
    made = run_attack(trained.model, split, {"method": "fgsm", "parameters": {"epsilon": 0.15}}, CPU)
    plain = judge(trained.model, split, classify(trained.model, split.images, CPU), made, CPU)
    assert "fooled_share" not in plain
    assert plain["prediction"].equals(records["prediction"])
    assert np.allclose(plain["confidence"], records["confidence"])


@pytest.mark.parametrize("first", ["smooth", "rounded"])
def test_the_gradient_of_a_filter_is_chosen_once_for_all_batches(trained, first):
    """The filter has a gradient on half of the images only, which are in the same batch or not."""
    pixels_of_all, labels = pixels(trained)
    images = pixels_of_all.numpy().copy()
    images[:30, 0, 0, 0], images[30:, 0, 0, 0] = (255, 0) if first == "smooth" else (0, 255)
    split = Split(images, labels.numpy(), NAMES)

    def half_rounded(x):
        return torch.where(x[:, :, :1, :1] > 0.5, x, (3 * x).round() / 3)

    victim = Filtered(trained.model, half_rounded, at=["test"]).eval()
    entry = {"method": "fgsm", "parameters": {"epsilon": 0.1}, "filter_gradient": "auto"}
    parts, whole = (run_attack(victim, split, entry | {"batch_size": size}, CPU).tensors["images"] for size in (30, 60))
    assert np.array_equal(parts, whole)
    unchanged = np.isclose(whole, images / 255, atol=1e-3).reshape(60, -1).all(1)
    assert unchanged.sum() == (30 if first == "smooth" else 0)  # without a gradient, FGSM does nothing
    assert not victim.straight_through


def test_the_gradient_of_a_filter_is_chosen_on_several_images_whatever_their_targets(trained, monkeypatch):
    given = []
    monkeypatch.setattr(running, "through_filter", lambda _, __, images: given.append(images) or nullcontext())
    run(trained, {"method": "fgsm", "parameters": {"epsilon": 0.1}, "targets": "all", "images": 4})
    assert len(given[0].flatten(1).unique(dim=0)) == 4


def test_acceleration_tries_the_victim_as_it_will_run_frozen(trained, monkeypatch):
    def tried(victim, shape):
        assert not any(parameter.requires_grad for parameter in victim.parameters())
        return accelerated(victim, shape)

    monkeypatch.setattr(running, "accelerated", tried)
    trained.model.requires_grad_(True)
    run(trained, {"method": "fgsm", "parameters": {"epsilon": 0.1}}, count=4)
    assert all(parameter.requires_grad for parameter in trained.model.parameters())
