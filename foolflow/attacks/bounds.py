"""Bounds on a flow: how far a pixel may move, and whether all of them may move together."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from foolflow.attacks.warp import shift

WITHIN = 1 - 1e-6  # of the bound, so that a bounded flow does not exceed it by rounding


@dataclass(frozen=True)
class Bounds:
    """The set of permitted flows.

    max_displacement: of any pixel, in pixels; None: unbounded.
    allow_shift: whether the mean displacement of an image's pixels may differ from zero.
    """

    max_displacement: float | None = None
    allow_shift: bool = True

    def constrain(self, flows: Tensor) -> Tensor:
        """Return permitted flows close to the given ones: (N, 2, H, W), in pixels. Differentiable.

        The shift is removed, then every pixel that moves too far is moved back to the bound. If that brings back a
        shift, it is removed as well, and the flow is scaled to the bound.
        """
        flows = self.centre(flows)
        if self.max_displacement is None:
            return flows
        flows = flows * self._excess(flows)
        if self.allow_shift:
            return flows
        flows = self.centre(flows)
        return flows * self._excess(flows).amin((2, 3), keepdim=True)

    def centre(self, fields: Tensor) -> Tensor:
        """Subtract the shift if none is allowed. The gradient with respect to a flow is changed in the same way."""
        return fields if self.allow_shift else fields - shift(fields)[:, :, None, None]

    def tangent(self, flows: Tensor, forces: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the projection onto the directions in which permitted flows may move.

        flows: permitted flows (N, 2, H, W).  forces: (N, 2, H, W), which pull them.
        A pixel at the bound that is pulled outwards may move along the bound only.
        """
        if self.max_displacement is None:
            return lambda fields: fields
        outwards = flows / flows.norm(dim=1, keepdim=True).clamp_min(1e-12)
        at_bound = flows.norm(dim=1, keepdim=True) >= WITHIN**2 * self.max_displacement
        held = outwards * (at_bound & ((outwards * forces).sum(1, keepdim=True) > 0))
        return lambda fields: fields - held * (held * fields).sum(1, keepdim=True)

    def _excess(self, flows: Tensor) -> Tensor:
        """Return the factor, at most 1, that brings each pixel back to the bound: (N, 1, H, W)."""
        assert self.max_displacement is not None
        lengths = flows.square().sum(1, keepdim=True)
        far = lengths > (WITHIN * self.max_displacement) ** 2
        return torch.where(far, WITHIN * self.max_displacement * lengths.where(far, 1.0).rsqrt(), 1.0)
