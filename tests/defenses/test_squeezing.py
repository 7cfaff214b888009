import numpy as np
import torch
from scipy.special import softmax

from foolflow.defenses.squeezing import linf_distances, score_images, squeezing_scores
from foolflow.statistics.budget import Budget


def test_the_score_is_the_l1_distance_of_the_softmax():
    generator = torch.Generator().manual_seed(0)
    raw, *squeezed = torch.randn(3, 6, 10, generator=generator)
    expected = [np.abs(softmax(raw.numpy(), 1) - softmax(one.numpy(), 1)).sum(1) for one in squeezed]
    np.testing.assert_allclose(squeezing_scores(raw, squeezed).numpy().T, expected, atol=1e-6)
    certain = torch.eye(10)[:2] * 1000
    found = squeezing_scores(certain, [certain, certain.flip(0)])
    torch.testing.assert_close(found, torch.tensor([[0.0, 2.0]] * 2).double())


def test_the_joint_score_is_the_maximum(trained):
    squeezers = {"same": lambda images: images, "dark": torch.zeros_like, "half": lambda images: images / 2}
    images = (trained.images[:7] * 255).to(torch.uint8)
    found = score_images(trained.model, images, squeezers, torch.device("cpu"))
    assert (found["same"] == 0).all()
    torch.testing.assert_close(found["score"], torch.maximum(found["dark"], found["half"]))
    assert torch.equal(found["prediction"], trained.model(images.float() / 255).argmax(1))


def test_the_distance_is_that_of_the_rounded_images():
    clean = np.array([10, 200], np.uint8).reshape(2, 1, 1, 1)
    made = torch.tensor([86, 190], dtype=torch.uint8).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(linf_distances(made, clean), [76 / 255, 10 / 255], atol=1e-7)
    assert linf_distances(made, clean)[0] <= Budget("linf", 76 / 255).largest
