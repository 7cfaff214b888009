"""Random numbers that depend on an image and a seed alone: not on its batch, and not on the device."""

import math

import torch
from torch import Tensor

# The constants of SplitMix64 (Steele, Lea and Flood 2014), as signed integers.
GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


def random_numbers(images: Tensor, seed: int) -> Tensor:
    """Return numbers in [0, 1) of the shape of the images, float64. Those of an image depend on it and on the seed."""
    return few_numbers(images, seed, math.prod(images.shape[1:])).view_as(images)


def normal_numbers(images: Tensor, seed: int) -> Tensor:
    """Return standard normal numbers of the shape of the images, float32 (Box and Muller 1958)."""
    first, second = random_numbers(images, seed), random_numbers(images, seed + 1)
    return ((-2 * (1 - first).log()).sqrt() * (2 * math.pi * second).cos()).float()


def few_numbers(images: Tensor, seed: int, count: int) -> Tensor:
    """Return `count` numbers in [0, 1) for each image, float64 (N, count). They depend on it and on the seed."""
    bits = images.flatten(1).contiguous().view(torch.int32).long()
    places = torch.arange(1, max(bits.shape[1], count) + 1, device=images.device) * GOLDEN
    image = (bits * _mixed(places[: bits.shape[1]])).sum(1, keepdim=True)  # int64 wraps around
    mixed = _mixed(_mixed(image + seed) + places[:count])
    return _shifted(mixed, 11).double() / 2**53


def _mixed(numbers: Tensor) -> Tensor:
    """Return the output function of SplitMix64, a bijection of the 64-bit integers."""
    numbers = (numbers ^ _shifted(numbers, 30)) * FIRST
    numbers = (numbers ^ _shifted(numbers, 27)) * SECOND
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, by: int) -> Tensor:
    """Shift to the right, filling with zeros."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)
