"""The networks on R2's list of networks to try."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from foolflow.attacks.dichotomy import dichotomy
from foolflow.attacks.pgd import pgd
from foolflow.models.alex_net import AlexNet
from foolflow.models.caps_net import CapsNet, route, squash
from foolflow.models.inception import Inception

NETWORKS = [AlexNet, Inception, CapsNet]


@pytest.mark.parametrize("network", NETWORKS)
def test_attacks_run_on_it(network):
    torch.manual_seed(0)
    model = network(1, 28, 10).eval()
    images = torch.rand(4, 1, 28, 28)
    labels = model(images).argmax(1)
    made = pgd(model, images, labels, epsilon=0.3, steps=10)
    assert (cross_entropy(model(made.images), labels) > cross_entropy(model(images), labels)).all()
    near = dichotomy(model, images, labels, steps=20)
    assert torch.equal(near.success, model(near.images).argmax(1) != labels)
    alone = dichotomy(model, images[1:2], labels[1:2], steps=20)
    assert alone.details["norms"][0].item() == pytest.approx(near.details["norms"][1].item(), rel=0.05)


def test_squashing_keeps_the_direction_and_makes_the_length_that_of_the_paper():
    vectors = torch.randn(20, 8, dtype=torch.float64)
    squared = vectors.square().sum(1)
    squashed = squash(vectors)
    assert squashed.norm(dim=1).numpy() == pytest.approx((squared / (1 + squared)).numpy(), rel=1e-6)
    assert torch.cosine_similarity(squashed, vectors).numpy() == pytest.approx(1)
    assert squash(torch.zeros(1, 8)).abs().max() == 0


def routed(votes, routings):
    """Procedure 1 of the paper with loops, for one image. votes: (capsules, classes, dimensions)."""
    logits = np.zeros(votes.shape[:2])
    for routing in range(routings):
        coupling = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        sums = [sum(coupling[i, j] * votes[i, j] for i in range(len(votes))) for j in range(votes.shape[1])]
        if routing == routings - 1:
            return np.array(sums)
        for j, total in enumerate(sums):
            squared = total @ total
            capsule = total * np.sqrt(squared) / (1 + squared)
            for i in range(len(votes)):
                logits[i, j] += votes[i, j] @ capsule
    raise AssertionError


@pytest.mark.parametrize("routings", [1, 3])
def test_routing_by_agreement_is_that_of_the_paper(routings):
    votes = torch.randn(2, 7, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = route(votes, routings)
    for image in range(2):
        assert found[image].numpy() == pytest.approx(routed(votes[image].numpy(), routings), rel=1e-4)


def test_the_longest_capsule_has_the_largest_logit_which_is_the_log_odds_of_its_length():
    torch.manual_seed(1)
    model = CapsNet(1, 28, 10).double().eval()
    logits = model(torch.rand(3, 1, 28, 28, dtype=torch.float64))
    lengths = torch.sigmoid(logits)  # the inverse of the log-odds
    assert ((lengths > 0) & (lengths < 1)).all()
    assert torch.equal(lengths.argmax(1), logits.argmax(1))


def test_the_gradient_of_a_capsule_network_is_that_of_finite_differences():
    torch.manual_seed(2)
    model = CapsNet(1, 18, 3, filters=4, types=2, primary=3, dimensions=4).double()
    images = torch.rand(2, 1, 18, 18, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: model(given).square().sum(), images, fast_mode=True)
    blank = torch.zeros(1, 1, 18, 18, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(cross_entropy(model(blank), torch.tensor([1])), blank)[0].isfinite().all()
