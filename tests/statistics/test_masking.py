import numpy as np
import pandas as pd
import pytest
import torch

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.pgd import pgd
from foolflow.statistics.masking import Attacked, Evidence, signs_of_masking
from tests.conftest import random_affine


def outcomes(attack, standing, n=100):
    """Return outcomes in which the first `standing` of n images stay correct."""
    index = np.arange(n)
    return Attacked(attack, pd.DataFrame({"index": index, "label": 0, "prediction": (index >= standing).astype(int)}))


def signs(**evidence):
    return list(signs_of_masking(Evidence(iterative=outcomes("pgd", 60), **evidence)))


@pytest.mark.parametrize("kind", ["transferred", "black-box", "adaptive"])
def test_an_attack_that_is_unexpectedly_stronger_is_a_sign_of_masking(kind):
    (sign,) = signs(stronger=((kind, outcomes("other", 30)),))
    assert sign == f"{kind} other leaves an accuracy of 30.0%, white-box pgd 60.0% on the same images"
    assert signs(stronger=((kind, outcomes("other", 57)),)) == []
    assert signs(stronger=((kind, outcomes("other", 90)),)) == []


def test_a_single_step_that_fools_more_than_many_steps_is_a_sign_of_masking():
    assert "single-step attack fgsm" in signs(single_step=outcomes("fgsm", 20))[0]
    assert signs(single_step=outcomes("fgsm", 80)) == []


def test_catastrophic_overfitting_is_detected():
    """The victim classifies its own FGSM images correctly, but not those made on another network."""
    (sign,) = signs(single_step=outcomes("fgsm", 98), single_step_transferred=outcomes("fgsm", 34))
    assert sign == "transferred fgsm leaves an accuracy of 34.0%, white-box fgsm 98.0% on the same images"
    assert signs(single_step=outcomes("fgsm", 70), single_step_transferred=outcomes("fgsm", 90)) == []


def test_surviving_a_huge_radius_is_a_sign_of_masking():
    assert "still leaves an accuracy of 40.0%" in signs(huge=outcomes("pgd_huge", 40))[0]
    assert signs(huge=outcomes("pgd_huge", 2)) == []


def test_attacks_on_different_images_are_compared_on_common_ones():
    few = Attacked("other", outcomes("other", 10).outcomes.head(50))
    (sign,) = signs(stronger=(("black-box", few),))
    assert sign == "black-box other leaves an accuracy of 20.0%, white-box pgd 100.0% on the same images"


def test_a_linear_model_shows_no_masking_and_keeps_its_certified_margin():
    """The smallest L-infinity perturbation of an affine model is known in closed form. No attack gets below it, and PGD
    reaches it."""
    model = random_affine(3, classes=4, shape=(1, 5, 5))
    images = 0.5 + 0.02 * torch.rand(200, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    labels = logits.argmax(1)
    rivals = torch.nn.functional.one_hot(labels, 4).bool()
    slopes = (model.weight[None] - model.weight[labels][:, None]).abs().sum(2)
    margins = (logits.gather(1, labels[:, None]) - logits).masked_fill(rivals, torch.inf) / slopes
    certified = margins.amin(1)
    epsilon = certified.median().item()
    fooled = certified < epsilon

    def attacked(name, made):
        table = pd.DataFrame({"index": range(200), "label": labels.numpy(), "prediction": made.predictions.numpy()})
        return Attacked(name, table)

    with torch.no_grad():
        white = pgd(model, images, labels, epsilon=epsilon, loss="margin", steps=50)
        once = fgsm(model, images, labels, epsilon=epsilon)
        huge = pgd(model, images, labels, epsilon=0.5, loss="margin", steps=50)
    clear = (certified / epsilon - 1).abs() > 0.02
    assert torch.equal(white.success[clear], fooled[clear])
    assert not once.success[clear & ~fooled].any()
    evidence = Evidence(attacked("pgd", white), single_step=attacked("fgsm", once), huge=attacked("huge", huge))
    assert list(signs_of_masking(evidence)) == []
