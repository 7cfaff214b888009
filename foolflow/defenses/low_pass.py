"""Smoothing in the frequency domain."""

import torch
from torch import Tensor

from foolflow.defenses.bounds import bounded
from foolflow.errors import InvalidInput

ORDER = 2  # of the Butterworth filter: steep, with little ringing


def low_pass(images: Tensor, *, cutoff: float) -> Tensor:
    """Attenuate high spatial frequencies with a Butterworth filter (Gonzalez and Woods, Digital Image Processing, 4.8).

    A frequency f is multiplied by 1 / (1 + (f / cutoff)^4), so by one half at the cutoff. Images are mirrored beyond
    their border, so that no border leaks into the opposite one.
    images: (N, C, H, W) in [0, 1].  cutoff: as a fraction of half a cycle per pixel, the highest frequency along an
    axis; above 0.
    Raises InvalidInput if cutoff is not above 0.
    """
    if not cutoff > 0:
        raise InvalidInput(f"low_pass: cutoff must be above 0, not {cutoff}")
    if len(images) == 0:  # the FFT rejects an empty batch
        return images
    height, width = images.shape[-2:]
    wide = torch.cat([images, images.flip(-1)], -1)
    period = torch.cat([wide, wide.flip(-2)], -2)
    rows = torch.fft.fftfreq(2 * height, device=images.device, dtype=images.dtype)
    columns = torch.fft.rfftfreq(2 * width, device=images.device, dtype=images.dtype)
    frequency = 2 * torch.hypot(rows[:, None], columns)
    gain = 1 / (1 + (frequency / cutoff) ** (2 * ORDER))
    smooth = torch.fft.irfft2(torch.fft.rfft2(period) * gain, s=(2 * height, 2 * width))
    return bounded(smooth[..., :height, :width])
