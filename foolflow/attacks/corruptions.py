"""Corruptions of images, each a function (images, size, draw) -> images, before they are clipped to [0, 1].

All of them change an image without regard to the others of its batch. Kornia's functions run in float64: their rounding
depends on the batch, and vanishes when the result is rounded to float32.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from kornia.enhance import adjust_contrast_with_mean_subtraction
from kornia.geometry.transform import rotate, scale, translate
from PIL import Image
from torch import Tensor

from foolflow.attacks.ball import steepest
from foolflow.attacks.keyed import few_numbers, normal_numbers, random_numbers
from foolflow.defenses.gaussian_blur import gaussian_blur


@dataclass(frozen=True)
class Draw:
    """What a corruption depends on besides the image and its size.

    seed: of the random numbers.  norm: `linf` or `l2`, of noise.  up_to: the size is only the largest that is drawn.
    """

    seed: int
    norm: str = "linf"
    up_to: bool = False


def noise(images: Tensor, epsilon: float, draw: Draw) -> Tensor:
    """Add the noise that fills the ball best: signs for linf, a Gaussian direction for l2."""
    return images + epsilon * steepest(normal_numbers(images, draw.seed), draw.norm)


def sign_noise(images: Tensor, epsilon: float, draw: Draw) -> Tensor:
    """Add plus or minus the same amount to each value."""
    return images + epsilon * _unit(normal_numbers(images, draw.seed).sign(), draw.norm)


def gaussian_noise(images: Tensor, epsilon: float, draw: Draw) -> Tensor:
    """Add independent Gaussian numbers, scaled to the norm."""
    return images + epsilon * _unit(normal_numbers(images, draw.seed), draw.norm)


def uniform_noise(images: Tensor, epsilon: float, draw: Draw) -> Tensor:
    """Add independent numbers that are uniform between -1 and 1, scaled to the norm."""
    return images + epsilon * _unit((2 * random_numbers(images, draw.seed) - 1).float(), draw.norm)


def rotation(images: Tensor, degrees: float, draw: Draw) -> Tensor:
    """Rotate about the centre, in a random direction. Bilinear; what comes in from beyond the border is black."""
    angles = degrees * _amounts(images, draw)
    return rotate(images.double(), angles).float()


def translation(images: Tensor, pixels: float, draw: Draw) -> Tensor:
    """Shift in one of the 8 directions of the neighbouring pixels, by `pixels` along each axis that changes.

    With `up_to`, the shifts along the two axes are independent and uniform between -pixels and pixels.
    Bilinear; what comes in from beyond the border is black.
    """
    if draw.up_to:
        shifts = 2 * few_numbers(images, draw.seed, 2) - 1
    else:
        place = (8 * few_numbers(images, draw.seed, 1)).long()
        place = place + (place >= 4)  # skip the centre of the 3 x 3 neighbours
        shifts = torch.cat([place % 3, place // 3], dim=1).double() - 1
    return translate(images.double(), pixels * shifts).float()


def scaling(images: Tensor, fraction: float, draw: Draw) -> Tensor:
    """Enlarge about the centre by the factor 1 + fraction, or shrink by it, at random.

    Bilinear; what comes in from beyond the border is black.
    """
    amounts = _amounts(images, draw)
    factors = (1 + fraction * amounts.abs()) ** amounts.sign()
    return scale(images.double(), factors).float()


def crop(images: Tensor, fraction: float, draw: Draw) -> Tensor:
    """Cut off this fraction of the height and of the width, half of it at each border. Enlarge the rest, bilinearly."""
    factors = torch.full((len(images),), 1 / (1 - fraction), dtype=torch.float64, device=images.device)
    return scale(images.double(), factors).float()


def stretch(images: Tensor, fraction: float, draw: Draw) -> Tensor:
    """Enlarge about the centre along one axis alone by the factor 1 + fraction, or shrink along it, at random.

    With `up_to`, the fraction and the direction are drawn as for `scaling`. The axis is one of the two in any case.
    Bilinear; what comes in from beyond the border is black.
    """
    numbers = few_numbers(images, draw.seed, 2)
    amounts = 2 * numbers[:, 0] - 1
    amounts = amounts if draw.up_to else torch.where(amounts < 0, -1.0, 1.0).double()
    factors = (1 + fraction * amounts.abs()) ** amounts.sign()
    wide = numbers[:, 1] < 0.5
    both = torch.stack([torch.where(wide, factors, 1.0), torch.where(wide, 1.0, factors)], dim=1)
    return scale(images.double(), both).float()


def blur(images: Tensor, sigma: float, draw: Draw) -> Tensor:
    """Convolve with a Gaussian. Images are mirrored beyond their border."""
    return gaussian_blur(images.double(), sigma=sigma).float()


def contrast(images: Tensor, factor: float, draw: Draw) -> Tensor:
    """Multiply each value's difference from the mean grey of its image."""
    return adjust_contrast_with_mean_subtraction(images.double(), float(factor)).float()


def jpeg(images: Tensor, quality: float, draw: Draw) -> Tensor:
    """Round to 8 bits, compress with libjpeg through Pillow, and decompress. 1 or 3 channels.

    The encoder takes one image at a time, on the CPU.
    """
    if len(images) == 0:  # NumPy cannot stack no images
        return images
    pixels = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    coded = np.stack([_recoded(one, int(quality)) for one in pixels])
    return torch.from_numpy(coded).to(images.device).permute(0, 3, 1, 2).float() / 255


def _recoded(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Encode and decode one image, uint8 (H, W, C)."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image).reshape(pixels.shape)


# By the names of foolflow/attacks/kinds.py.
CORRUPTIONS: dict[str, Callable[[Tensor, float, Draw], Tensor]] = {
    "noise": noise,
    "sign_noise": sign_noise,
    "gaussian_noise": gaussian_noise,
    "uniform_noise": uniform_noise,
    "rotation": rotation,
    "translation": translation,
    "scale": scaling,
    "crop": crop,
    "stretch": stretch,
    "blur": blur,
    "contrast": contrast,
    "jpeg": jpeg,
}


def _unit(direction: Tensor, norm: str) -> Tensor:
    """Scale each direction to the norm 1."""
    if norm == "l2":
        return steepest(direction, "l2")
    return direction / direction.flatten(1).abs().amax(1).view(-1, 1, 1, 1)


def _amounts(images: Tensor, draw: Draw) -> Tensor:
    """Return for each image -1 or 1 or, with `up_to`, a number between them: float64 (N,)."""
    numbers = 2 * few_numbers(images, draw.seed, 1).squeeze(1) - 1
    return numbers if draw.up_to else torch.where(numbers < 0, -1.0, 1.0).double()
