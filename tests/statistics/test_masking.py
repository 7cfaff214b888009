import numpy as np
import pandas as pd
import pytest
import torch

from foolflow.attacks.fgsm import fgsm
from foolflow.attacks.pgd import pgd
from foolflow.statistics.masking import Attacked, Evidence, signs_of_masking
from tests.conftest import random_affine


def outcomes(attack, standing, n=100, clean=100, radius=None, norm=None):
    """Return outcomes in which the first `standing` of n images stay correct, and the first `clean` are when clean."""
    index = np.arange(n)
    predictions = {"clean_prediction": (index >= clean).astype(int), "prediction": (index >= standing).astype(int)}
    return Attacked(attack, pd.DataFrame({"index": index, "label": 0, **predictions}), radius, norm)


def signs(iterative=60, **evidence):
    return list(signs_of_masking(Evidence(iterative=outcomes("pgd", iterative), **evidence)))


@pytest.mark.parametrize("kind", ["transferred", "black-box", "adaptive"])
def test_an_attack_that_is_unexpectedly_stronger_is_a_sign_of_masking(kind):
    (sign,) = signs(stronger=((kind, outcomes("other", 30)),))
    assert sign == f"{kind} other leaves an accuracy of 30.0 %, white-box pgd 60.0 % on the same images"
    assert signs(stronger=((kind, outcomes("other", 57)),)) == []
    assert signs(stronger=((kind, outcomes("other", 90)),)) == []


def test_a_single_step_that_fools_more_than_many_steps_is_a_sign_of_masking():
    assert "single-step attack fgsm" in signs(single_step=outcomes("fgsm", 20))[0]
    assert signs(single_step=outcomes("fgsm", 80)) == []


def test_catastrophic_overfitting_is_detected():
    """The victim classifies its own FGSM images correctly, but not those made on another network."""
    (sign,) = signs(single_step=outcomes("fgsm", 98), single_step_transferred=outcomes("fgsm", 34))
    assert sign == "transferred fgsm leaves an accuracy of 34.0 %, white-box fgsm 98.0 % on the same images"
    assert signs(single_step=outcomes("fgsm", 70), single_step_transferred=outcomes("fgsm", 90)) == []


def test_a_single_step_collapse_is_detected_and_explained():
    n = 1000
    evidence = Evidence(iterative=outcomes("pgd", 6, n, 990), single_step=outcomes("fgsm", 706, n, 990))
    (sign,) = signs_of_masking(evidence)
    assert sign == (
        "a single-step collapse: white-box pgd leaves an accuracy of 0.6 %, fgsm 70.6 % on the same images, so the "
        "victim withstands a single step only, as after adversarial training that overfitted to a single step "
        "(catastrophic overfitting), or beyond the radius of its training"
    )


@pytest.mark.parametrize(
    ("clean", "single", "iterative", "collapse"),
    [
        (99, 70, 1, True),
        (99, 98, 40, True),  # partial: many steps leave less than half of what one step leaves
        (60, 35, 2, True),  # half of the clean accuracy, not of all images
        (99, 95, 94, False),  # robust (MNIST, PGD-trained, within its radius)
        (99, 88, 71, False),  # the widest gap of the networks trained with PGD
        (99, 73, 52, False),  # the widest gap of the undefended networks that withstand half of FGSM
        (99, 36, 13, False),  # undefended: one step fools most images, too
        (78, 25, 0, False),
        (99, 0, 0, False),
        (50, 50, 50, False),
    ],
)
def test_only_a_collapse_is_called_one(clean, single, iterative, collapse):
    evidence = Evidence(
        iterative=outcomes("pgd", iterative, clean=clean), single_step=outcomes("fgsm", single, clean=clean)
    )
    found = list(signs_of_masking(evidence))
    assert [sign.startswith("a single-step collapse") for sign in found] == [True] * collapse


def test_a_defense_collapses_only_if_it_withstands_one_step_better_than_no_defense():
    def collapses(undefended):
        return bool(signs(0, single_step=outcomes("fgsm", 70), single_step_undefended=outcomes("fgsm", undefended)))

    assert collapses(7)
    assert collapses(50)
    assert not collapses(66)  # 4 images more are no significant difference
    assert not collapses(70)
    assert not collapses(90)


def test_too_few_images_show_no_collapse():
    few = Evidence(iterative=outcomes("pgd", 0, 7), single_step=outcomes("fgsm", 7, 7))
    assert list(signs_of_masking(few)) == []  # p = 2 / 2^7
    more = Evidence(iterative=outcomes("pgd", 0, 8), single_step=outcomes("fgsm", 8, 8))
    assert len(list(signs_of_masking(more))) == 1


def test_balls_of_different_sizes_are_compared_in_the_direction_that_means_something():
    weak, strong = outcomes("fgsm", 90, radius=0.1), outcomes("pgd", 1, radius=0.3)
    assert list(signs_of_masking(Evidence(iterative=strong, single_step=weak))) == []  # a smaller ball is weaker anyway
    larger = outcomes("fgsm", 90, radius=0.3)
    assert len(list(signs_of_masking(Evidence(iterative=strong, single_step=larger)))) == 1
    beyond = outcomes("fgsm", 20, radius=0.3)
    iterative = outcomes("pgd", 60, radius=0.1)
    assert list(signs_of_masking(Evidence(iterative=iterative, single_step=beyond))) == []
    within = outcomes("fgsm", 20, radius=0.1)
    assert "single-step attack fgsm" in next(signs_of_masking(Evidence(iterative=iterative, single_step=within)))
    assert list(signs_of_masking(Evidence(iterative=iterative, stronger=(("random", beyond),)))) == []


def test_balls_of_different_norms_are_not_compared():
    iterative, single = outcomes("pgd", 20, radius=1.0, norm="l2"), outcomes("fgsm", 90, radius=1.5, norm="linf")
    assert list(signs_of_masking(Evidence(iterative=iterative, single_step=single))) == []
    stronger = outcomes("noise", 1, radius=0.3, norm="linf")
    assert list(signs_of_masking(Evidence(iterative=iterative, stronger=(("random", stronger),)))) == []
    same = outcomes("noise", 1, radius=0.3, norm="l2")
    assert len(list(signs_of_masking(Evidence(iterative=iterative, stronger=(("random", same),))))) == 1


def test_a_network_that_bends_within_one_step_collapses():
    """A bump of the loss around each image: one step of the size of the ball crosses it, small steps climb it."""
    epsilon, images = 0.2, torch.full((60, 1, 2, 2), 0.5)
    labels = torch.zeros(60, dtype=torch.int64)

    class Bump(torch.nn.Module):
        def forward(self, x):
            shift = (x - 0.5).flatten(1).mean(1)
            bump = 2 * torch.exp(-(((shift - 0.12) / 0.03) ** 2)) + 0.01 * shift
            return torch.stack([torch.ones_like(bump), bump], 1)

    def attacked(name, made):
        columns = {"index": range(60), "label": 0, "clean_prediction": 0, "prediction": made.predictions.numpy()}
        return Attacked(name, pd.DataFrame(columns))

    once = fgsm(Bump(), images, labels, epsilon=epsilon)
    many = pgd(Bump(), images, labels, epsilon=epsilon, steps=40, step_size=0.01)
    (sign,) = signs_of_masking(Evidence(attacked("pgd", many), single_step=attacked("fgsm", once)))
    assert sign.startswith("a single-step collapse: white-box pgd leaves an accuracy of 0.0 %, fgsm 100.0 %")


def test_surviving_a_huge_radius_is_a_sign_of_masking():
    assert "still leaves an accuracy of 40.0 %" in signs(huge=outcomes("pgd_huge", 40))[0]
    assert signs(huge=outcomes("pgd_huge", 2)) == []


def test_attacks_on_different_images_are_compared_on_common_ones():
    few = Attacked("other", outcomes("other", 10).outcomes.head(50))
    (sign,) = signs(stronger=(("black-box", few),))
    assert sign == "black-box other leaves an accuracy of 20.0 %, white-box pgd 100.0 % on the same images"


def test_both_accuracies_of_a_sign_are_on_the_same_images():
    """The first 50 images resist less than the other 150."""
    few = Attacked("pgd", outcomes("pgd", 40).outcomes.head(50))
    many = outcomes("other", 10, n=200)
    many.outcomes.loc[many.outcomes["index"] >= 50, "prediction"] = 0
    (sign,) = signs_of_masking(Evidence(iterative=few, stronger=(("black-box", many),)))
    assert sign == "black-box other leaves an accuracy of 20.0 %, white-box pgd 80.0 % on the same images"


def test_both_accuracies_of_a_collapse_are_on_the_same_images():
    """The single step was tried on half of the images, of which it fools none."""
    single = Attacked("fgsm", outcomes("fgsm", 100, clean=100).outcomes.head(50))
    many = outcomes("pgd", 5)
    many.outcomes.loc[many.outcomes["index"] >= 50, "prediction"] = 0
    (sign,) = signs_of_masking(Evidence(iterative=many, single_step=single))
    assert "white-box pgd leaves an accuracy of 10.0 %, fgsm 100.0 % on the same images" in sign


def test_a_collapse_is_judged_by_the_clean_accuracy_on_the_same_images():
    """One step leaves 20 of the 50 common images, of which 30 are right when clean, and all of the other 150."""
    single = outcomes("fgsm", 20, n=200, clean=30)
    single.outcomes.loc[single.outcomes["index"] >= 50, ["prediction", "clean_prediction"]] = 0
    many = Attacked("pgd", outcomes("pgd", 1, n=50, clean=30).outcomes)
    assert len(list(signs_of_masking(Evidence(iterative=many, single_step=single)))) == 1


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
        columns = {"label": labels.numpy(), "clean_prediction": labels.numpy(), "prediction": made.predictions.numpy()}
        table = pd.DataFrame({"index": range(200), **columns})
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
