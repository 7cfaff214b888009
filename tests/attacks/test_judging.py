"""Judgements of adversarial sets."""

import numpy as np
import pytest
import torch

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.judging import classify, judge, structural_similarity, to_8_bits
from foolflow.data.adversarial import MEASURED, AdversarialSet
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput
from tests.saving import run_attack

CPU = torch.device("cpu")
NAMES = tuple("0123456789")


class Constant(torch.nn.Module):
    def forward(self, images):
        return torch.zeros(len(images), 3) + 0 * images.sum()


class Brightest(torch.nn.Module):
    """Use the mean brightness of each third of the columns as logits."""

    def forward(self, images):
        return torch.stack([part.flatten(1).mean(1) for part in images.chunk(3, dim=3)], dim=1)


def split_of(images, labels, names=NAMES):
    return Split(to_8_bits(images).numpy(), labels.numpy(), names)


def set_of(images, index=None, target=-1, **details):
    count = len(images)
    zeros = np.zeros(count, np.int64)
    made = {
        "images": images.numpy(),
        "index": np.arange(count) if index is None else np.asarray(index),
        "epsilon": np.full(count, np.nan),
        "target": np.full(count, target),
        "iterations": zeros,
        "gradient_evaluations": zeros,
    }
    return AdversarialSet(made | details)


def judged(model, split, made):
    return judge(model, split, classify(model, torch.from_numpy(split.images), CPU), made, CPU)


def test_details_never_replace_what_is_measured():
    images, labels = torch.rand(6, 1, 4, 6), torch.arange(6) % 3
    split = split_of(images, labels, ("a", "b", "c"))
    made = set_of(images, mine=np.arange(6), linf=np.full(6, 9.0), prediction=np.full(6, 9))
    records = judge(Brightest(), split, classify(Brightest(), split.images, CPU), made, CPU, draws=2)
    assert {*MEASURED, "mine"} <= set(records)
    assert records["linf"].max() < 1
    assert records["prediction"].max() < 3


def test_8_bit_predictions_are_those_for_the_rounded_images(trained):
    images, labels = trained.images[:50], trained.labels[:50]
    made = fgsm(trained.model, images, labels, epsilon=0.1)
    records = judged(trained.model, split_of(images, labels), set_of(made.images))
    rounded = torch.from_numpy(np.round(made.images.numpy() * 255) / 255).float()
    assert (records["prediction_8bit"] == trained.model(rounded).argmax(1).numpy()).all()
    assert (records["success_8bit"] == (records["prediction_8bit"] != records["label"])).all()


def test_confidences_are_the_softmax_of_the_predicted_class(trained):
    split = split_of(trained.images[:60], trained.labels[:60])
    made = run_attack(trained.model, split, {"method": "deepfool"}, CPU)
    records = judged(trained.model, split, made)
    clean = trained.model(torch.from_numpy(split.images).float() / 255).softmax(1).detach().numpy()
    attacked = trained.model(torch.from_numpy(made.tensors["images"])).softmax(1).detach().numpy()
    rows = np.arange(60)
    assert records["clean_confidence"].to_numpy() == pytest.approx(clean[rows, records["clean_prediction"]])
    assert records["confidence"].to_numpy() == pytest.approx(attacked[rows, records["prediction"]], abs=1e-5)


def test_the_most_likely_classes_follow_the_prediction(trained):
    split = split_of(trained.images[:60], trained.labels[:60])
    made = run_attack(trained.model, split, {"method": "fgsm", "parameters": {"epsilon": 0.1}}, CPU)
    records = judged(trained.model, split, made)
    images = {"clean_": torch.from_numpy(split.images).float() / 255, "": torch.from_numpy(made.tensors["images"])}
    for prefix, shown in images.items():
        probabilities, classes = trained.model(shown).softmax(1).detach().sort(dim=1, descending=True)
        names = [f"{prefix}prediction", *(f"{prefix}class_{place}" for place in range(2, 6))]
        assert (records[names].to_numpy() == classes[:, :5].numpy()).all()
        names = [f"{prefix}confidence", *(f"{prefix}confidence_{place}" for place in range(2, 6))]
        assert records[names].to_numpy() == pytest.approx(probabilities[:, :5].numpy(), abs=1e-5)


def test_the_margin_is_negative_exactly_where_the_prediction_is_wrong(trained):
    split = split_of(trained.images[:60], trained.labels[:60])
    made = run_attack(trained.model, split, {"method": "fgsm", "parameters": {"epsilon": 0.1}}, CPU)
    records = judged(trained.model, split, made)
    logits = trained.model(torch.from_numpy(made.tensors["images"])).detach()
    rows, labels = np.arange(60), split.labels
    own = logits[rows, labels].clone()
    logits[rows, labels] = -torch.inf
    assert records["margin"].to_numpy() == pytest.approx((own - logits.amax(1)).numpy(), abs=1e-5)
    assert ((records["margin"] < 0) == (records["prediction"] != records["label"])).all()
    assert 0 < (records["margin"] < 0).sum() < 60


def test_the_loss_is_the_cross_entropy_of_the_label(trained):
    split = split_of(trained.images[:60], trained.labels[:60])
    made = run_attack(trained.model, split, {"method": "fgsm", "parameters": {"epsilon": 0.1}}, CPU)
    records = judged(trained.model, split, made)
    labels = torch.from_numpy(split.labels)
    for column, images in (("clean_loss", trained.images[:60]), ("loss", torch.from_numpy(made.tensors["images"]))):
        expected = torch.nn.functional.cross_entropy(trained.model(images), labels, reduction="none").detach()
        assert records[column].to_numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert records["loss"].mean() > records["clean_loss"].mean()


def test_a_victim_with_three_classes_has_no_fourth_one():
    images = torch.rand(4, 1, 3, 6, generator=torch.Generator().manual_seed(0))
    records = judged(Brightest(), split_of(images, torch.zeros(4, dtype=torch.int64)), set_of(images))
    assert (records[["class_4", "class_5", "clean_class_4"]] == -1).all(axis=None)
    assert records[["confidence_4", "clean_confidence_5"]].isna().all(axis=None)
    assert (records["class_3"] >= 0).all()
    shown = records[["confidence", "confidence_2", "confidence_3"]].sum(axis=1)
    assert shown.to_numpy() == pytest.approx(np.ones(4))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 24), (1, 8, 5), (1, 2, 7), (3, 1, 1)])
def test_the_structural_similarity_is_that_of_its_definition(shape):
    first = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    second = (first + 0.2 * torch.rand(2, *shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    found = structural_similarity(first, second).numpy()
    expected = [
        np.mean([ssim_of(*channels) for channels in zip(*pair, strict=True)])
        for pair in zip(first, second, strict=True)
    ]
    assert found == pytest.approx(np.array(expected), abs=1e-5)
    assert structural_similarity(first, first).numpy() == pytest.approx(np.ones(2), abs=1e-6)


def ssim_of(one, other):
    """Return the mean structural similarity of two channels, window by window (Wang et al. 2004, section III)."""
    one, other = one.double().numpy(), other.double().numpy()
    smallest = min(one.shape)
    size = min(11, smallest if smallest % 2 else smallest - 1)
    weights = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / np.outer(weights, weights).sum()
    found = []
    for row in range(one.shape[0] - size + 1):
        for column in range(one.shape[1] - size + 1):
            x, y = (image[row : row + size, column : column + size] for image in (one, other))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            c1, c2 = 0.01**2, 0.03**2
            found.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(found)


def test_norms_are_those_of_the_perturbation():
    images = torch.zeros(1, 1, 2, 2)
    made = images.clone()
    made[0, 0, 0] = torch.tensor([0.3, 0.4])
    records = judged(Constant(), split_of(images, torch.zeros(1, dtype=torch.int64)), set_of(made))
    assert records.loc[0, "l0"] == 2
    assert records.loc[0, "l1"] == pytest.approx(0.7)
    assert records.loc[0, "l2"] == pytest.approx(0.5)
    assert records.loc[0, "linf"] == pytest.approx(0.4)


def test_a_pixel_that_changes_in_any_channel_counts_once():
    images = torch.zeros(1, 3, 2, 2)
    made = images.clone()
    made[0, 0, 0, 0] = made[0, 2, 0, 0] = made[0, 1, 1, 1] = 0.5
    records = judged(Constant(), split_of(images, torch.zeros(1, dtype=torch.int64)), set_of(made))
    assert records.loc[0, "l0"] == 2


def columns(*bright):
    """Return images of three columns, with the given column bright."""
    images = torch.zeros(len(bright), 1, 2, 3)
    images[range(len(bright)), :, :, list(bright)] = 1
    return images


def test_each_record_describes_the_image_at_its_index():
    """The set has the last of three images twice: once unchanged, and once classified as class 0."""
    split = split_of(columns(0, 1, 2), torch.tensor([0, 2, 2]), tuple("abc"))
    records = judged(Brightest(), split, set_of(columns(2, 0, 1), index=[2, 2, 1]))
    assert records["label"].tolist() == [2, 2, 2]
    assert records["clean_prediction"].tolist() == [2, 2, 1]
    assert records["prediction"].tolist() == [2, 0, 1]
    assert records["success"].tolist() == [False, True, True]
    assert records["l0"].tolist() == [0, 4, 0]


def test_with_a_target_success_means_that_the_target_is_predicted():
    split = split_of(columns(0, 0, 0), torch.tensor([0, 0, 0]), tuple("abc"))
    records = judged(Brightest(), split, set_of(columns(1, 2, 1), target=np.array([1, 1, -1])))
    assert records["success"].tolist() == [True, False, True]


def test_another_victim_judges_the_same_images_with_its_own_predictions():
    split = split_of(columns(0, 1), torch.tensor([0, 1]), tuple("abc"))
    made = set_of(columns(1, 0))
    own, others = judged(Brightest(), split, made), judged(Constant(), split, made)
    assert own["success"].tolist() == [True, True]
    assert others["prediction"].tolist() == [0, 0]
    assert others["success"].tolist() == [False, True]
    assert others[["index", "l0", "l2", "linf"]].equals(own[["index", "l0", "l2", "linf"]])


def test_a_detail_with_one_number_per_image_becomes_a_column():
    split = split_of(columns(0, 1), torch.tensor([0, 1]), tuple("abc"))
    details = {"flow_loss": np.float32([1, 2]), "flow": np.zeros((2, 2, 2, 3), np.float32)}
    records = judged(Brightest(), split, set_of(columns(1, 0), **details))
    assert records["flow_loss"].tolist() == [1, 2]
    assert "flow" not in records


def test_an_empty_set_has_records_without_rows():
    split = split_of(columns(0, 1), torch.tensor([0, 1]), tuple("abc"))
    records = judged(Brightest(), split, set_of(columns(0)[:0]))
    assert len(records) == 0
    assert list(records) == list(judged(Brightest(), split, set_of(columns(0))))


@pytest.mark.parametrize(
    "made",
    [set_of(columns(0, 1), index=[0, 2]), set_of(columns(0), index=[-1]), set_of(torch.zeros(1, 1, 3, 3))],
    ids=["beyond_the_split", "before_the_split", "of_another_shape"],
)
def test_a_set_of_another_split_gives_a_one_line_error(made):
    split = split_of(columns(0, 1), torch.tensor([0, 1]), tuple("abc"))
    clean = classify(Brightest(), torch.from_numpy(split.images), CPU)
    with pytest.raises(
        InvalidInput, match=r"^set\.safetensors was not made from this test split; run the attack again$"
    ):
        judge(Brightest(), split, clean, made, CPU, origin="set.safetensors")


def test_a_random_victim_gives_the_same_predictions_on_every_call():
    class Noisy(torch.nn.Module):
        def forward(self, images):
            return torch.randn(len(images), 3)

    images = columns(0, 1, 2)
    state = torch.get_rng_state()
    first, second = classify(Noisy(), images, CPU), classify(Noisy(), images, CPU)
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("logits", [lambda images: images.flatten(1) / 0, lambda images: images, lambda images: None])
def test_a_victim_that_does_not_return_logits_gives_a_one_line_error(logits):
    class Broken(torch.nn.Module):
        def forward(self, images):
            return logits(images)

    with pytest.raises(InvalidInput, match=r"^the model returns [^\n]+$"):
        classify(Broken(), columns(0, 1), CPU)
