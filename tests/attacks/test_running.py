import numpy as np
import pandas as pd
import pytest
import torch

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.judging import judge, to_8_bits
from foolflow.attacks.running import run_attack
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput
from foolflow.statistics.success import summarise

CPU = torch.device("cpu")


NAMES = tuple("0123456789")


def pixels(trained, count=60):
    return to_8_bits(trained.images[:count]), trained.labels[:count]


def run(trained, entry, count=60):
    images, labels = pixels(trained, count)
    return run_attack(trained.model, Split(images.numpy(), labels.numpy(), NAMES), entry, CPU)


def test_records_and_images_of_a_sweep_belong_together(trained):
    entry = {"method": "fgsm", "parameters": {"epsilon": [0.05, 0.2]}, "batch_size": 25}
    made = run(trained, entry)
    assert len(made.records) == len(made.tensors["images"]) == 120
    assert list(made.records["epsilon"].unique()) == [0.05, 0.2]
    assert made.records["index"].tolist() == [*range(60), *range(60)]
    predictions = trained.model(made.tensors["images"]).argmax(1).numpy()
    assert (made.records["prediction"] == predictions).all()
    direct = fgsm(trained.model, pixels(trained)[0].float() / 255, pixels(trained)[1], epsilon=0.2)
    assert torch.allclose(made.tensors["images"][60:], direct.images, atol=1e-6)
    assert made.records["linf"].max() <= 0.2 + 1e-6


def test_an_attack_without_epsilon_has_one_set(trained):
    made = run(trained, {"method": "deepfool"})
    assert len(made.records) == 60
    assert made.records["epsilon"].isna().all()
    assert made.records["l2"].gt(0).sum() == (made.records["clean_prediction"] == made.records["label"]).sum()


def test_a_users_attack_runs_at_each_epsilon(trained, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def brighten(model, images, labels, *, epsilon):\n    return (images + epsilon).clamp(0, 1)\n")
    made = run(trained, {"python": f"{file}:brighten", "parameters": {"epsilon": [0.1, 0.4]}})
    assert len(made.records) == 120
    assert made.records.groupby("epsilon")["linf"].max().round(4).tolist() == [0.1, 0.4]


def test_a_targeted_attack_succeeds_where_the_target_is_reached(trained):
    entry = {"method": "pgd", "targets": "random", "parameters": {"epsilon": [0.1, 0.3], "steps": 5}}
    records = run(trained, entry).records
    assert (records["target"] != records["label"]).all()
    assert (records["success"] == (records["prediction"] == records["target"])).all()
    assert 0 < records["success"].mean() < 1
    assert (records["target"][:60].to_numpy() == records["target"][60:].to_numpy()).all()


def test_what_an_attack_tells_of_each_image_goes_with_it(trained):
    entry = {"method": "stadv", "targets": "all", "per_class": 1, "parameters": {"tau": 0.01, "max_evaluations": 5}}
    made = run(trained, entry)
    assert made.tensors["flow"].shape == (len(made.records), 2, 28, 28)
    from foolflow.attacks.warp import flow_loss

    assert made.records["flow_loss"].to_numpy() == pytest.approx(flow_loss(made.tensors["flow"]).numpy())


def test_a_users_attack_is_given_the_targets(trained, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "def attack(model, images, labels, *, targets):\n    return images * (targets > 4)[:, None, None, None]\n"
    )
    records = run(trained, {"python": f"{file}:attack", "targets": "random"}).records
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
def test_a_users_attack_that_returns_nonsense_is_named(trained, tmp_path, body, words):
    file = tmp_path / "mine.py"
    file.write_text(f"def attack(model, images, labels):\n    {body}\n")
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        run(trained, {"python": f"{file}:attack"})
    assert words in str(caught.value)


def test_rounding_to_8_bits_is_judged_on_the_rounded_images(trained):
    images, labels = trained.images[:50], trained.labels[:50]
    made = fgsm(trained.model, images, labels, epsilon=0.1)
    records = judge(trained.model, images, labels, None, made, trained.model(images))
    rounded = torch.from_numpy(np.round(made.images.numpy() * 255) / 255).float()
    assert (records["prediction_8bit"] == trained.model(rounded).argmax(1).numpy()).all()


def test_confidences_are_the_softmax_of_the_predicted_class(trained):
    made = run(trained, {"method": "deepfool"})
    clean = trained.model(pixels(trained)[0].float() / 255).softmax(1).detach().numpy()
    attacked = trained.model(made.tensors["images"]).softmax(1).detach().numpy()
    rows = np.arange(60)
    assert made.records["clean_confidence"].to_numpy() == pytest.approx(clean[rows, made.records["clean_prediction"]])
    assert made.records["confidence"].to_numpy() == pytest.approx(attacked[rows, made.records["prediction"]], abs=1e-5)


def test_norms_are_those_of_the_perturbation():
    images = torch.zeros(1, 1, 2, 2)
    made = images.clone()
    made[0, 0, 0] = torch.tensor([0.3, 0.4])
    zeros = torch.zeros(1, dtype=torch.int64)
    adversarial = fgsm(Constant(), images, zeros, epsilon=0.0)
    records = judge(Constant(), images, zeros, None, replace_images(adversarial, made), torch.zeros(1, 3))
    assert records.loc[0, "l0"] == 2
    assert records.loc[0, "l2"] == pytest.approx(0.5)
    assert records.loc[0, "linf"] == pytest.approx(0.4)


class Constant(torch.nn.Module):
    def forward(self, images):
        return torch.zeros(len(images), 3) + 0 * images.sum()


def replace_images(adversarial, images):
    from dataclasses import replace

    return replace(adversarial, images=images)


def test_the_summary_counts_success_among_the_right_and_accuracy_over_all():
    records = pd.DataFrame(
        {
            "epsilon": [0.1] * 4,
            "label": [0, 0, 0, 0],
            "clean_prediction": [0, 0, 0, 1],  # three right
            "prediction": [1, 1, 0, 1],  # two of them fooled
            "success": [True, True, False, True],
            "prediction_8bit": [1, 0, 0, 1],
            "success_8bit": [True, False, False, True],
            "l2": [1.0, 3.0, 9.0, 0.0],
            "linf": [0.1] * 4,
            "gradient_evaluations": [1] * 4,
        }
    )
    (summary,) = summarise(records)
    assert (summary["success"]["count"], summary["success"]["n"]) == (2, 3)
    assert (summary["success_8bit"]["count"], summary["success_8bit"]["n"]) == (1, 3)
    assert (summary["accuracy"]["count"], summary["accuracy"]["n"]) == (1, 4)
    assert (summary["accuracy_8bit"]["count"], summary["accuracy_8bit"]["n"]) == (2, 4)
    assert summary["median_l2"] == 2.0
