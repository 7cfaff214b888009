"""CIFAR-10 as published: pickled batches, which torchvision opens only after verifying their checksums."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torchvision.datasets import CIFAR10

from foolflow.data.splits import Split, check_split
from foolflow.errors import InvalidInput


def read(dataset: Mapping[str, Any], raw: Path) -> dict[str, Split]:
    """Return `train` and `test`. Raises InvalidInput if a file is missing or its checksum is not the published one."""

    def read_part(train: bool) -> Split:
        try:
            data = CIFAR10(str(raw), train=train, download=False)
        except RuntimeError as error:
            raise InvalidInput(f"{raw}: {error}; remove the folder and run again") from error
        images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))
        return check_split(Split(images, np.asarray(data.targets, np.int64), tuple(data.classes)), str(raw))

    return {"train": read_part(True), "test": read_part(False)}
