from itertools import pairwise

import pytest
import torch

from foolflow.training.augmentation import shift_and_mirror, to_mirror


def crop(image, top, left, mirrored):
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))[:, top : top + 5, left : left + 5]
    return padded.flip(2) if mirrored else padded


@pytest.mark.parametrize("mirrored", [False, True])
def test_whole_images_move(mirrored):
    images = torch.arange(2 * 3 * 5 * 5, dtype=torch.uint8).view(2, 3, 5, 5) + 1
    options = {(top, left): crop(images[0], top, left, mirrored) for top in range(3) for left in range(3)}
    found = set()
    for seed in range(100):
        mirror = torch.tensor([mirrored, False])
        moved = shift_and_mirror(images, pad=1, mirror=mirror, generator=torch.Generator().manual_seed(seed))
        assert moved.shape == images.shape
        assert moved.dtype == torch.uint8
        found |= {option for option, image in options.items() if torch.equal(moved[0], image)}
    assert found == options.keys()


def test_nothing_moves_without_padding_or_mirror():
    images = torch.rand(4, 1, 6, 6)
    still = shift_and_mirror(images, pad=0, mirror=torch.zeros(4, dtype=torch.bool), generator=torch.Generator())
    assert torch.equal(still, images)


def test_no_image_is_mirrored_without_flip():
    assert not to_mirror(False, 1000, epoch=1, seed=0).any()


@pytest.mark.parametrize("flip", [True, "alternating"])
def test_half_of_the_images_are_mirrored_in_each_epoch(flip):
    for epoch in range(1, 5):
        assert 0.45 < to_mirror(flip, 2000, epoch=epoch, seed=3).float().mean() < 0.55


def test_random_flips_differ_between_epochs_and_seeds():
    drawn = [to_mirror(True, 2000, epoch=epoch, seed=seed) for epoch, seed in ((1, 0), (2, 0), (3, 0), (1, 1))]
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            assert 0.45 < (one ^ other).float().mean() < 0.55


def test_alternating_flips_show_both_orientations_in_any_two_epochs():
    drawn = [to_mirror("alternating", 2000, epoch=epoch, seed=0) for epoch in range(1, 5)]
    for one, other in pairwise(drawn):
        assert (one ^ other).all()
    assert (drawn[0] ^ to_mirror("alternating", 2000, epoch=1, seed=1)).any()
