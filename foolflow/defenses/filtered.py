"""A network behind an input filter (feature squeezing, blurring, ...)."""

import importlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from foolflow.errors import InvalidInput
from foolflow.plugins import load_object

Filter = Callable[[Tensor], Tensor]


class Filtered(nn.Module):
    """Applies `images_filter` to the images, then the network.

    at: `train`, `test` or both: the modes in which the filter acts (train mode and eval mode of this module).
    """

    def __init__(self, network: nn.Module, images_filter: Filter, *, at: Collection[str]) -> None:
        super().__init__()
        self.network = network
        self.images_filter = images_filter
        self.at = frozenset(at)

    def forward(self, images: Tensor) -> Tensor:
        if ("train" if self.training else "test") in self.at:
            filtered = self.images_filter(images)
            if not isinstance(filtered, Tensor) or filtered.shape != images.shape:
                found = tuple(filtered.shape) if isinstance(filtered, Tensor) else type(filtered).__name__
                raise InvalidInput(f"the defense's filter returns {found} for images of shape {tuple(images.shape)}")
            images = filtered
        return self.network(images)


def load_filter(defense: Mapping[str, Any]) -> Filter:
    """The filter of a defense: `method` (foolflow/defenses/<method>.py) or `python`, and its `parameters`.

    Raises InvalidInput if there is no such filter.
    """
    if "python" in defense:
        function = load_object(defense["python"])
    else:
        method = defense["method"]
        function = getattr(importlib.import_module(f"foolflow.defenses.{method}"), method)
    return partial(function, **defense.get("parameters", {}))
