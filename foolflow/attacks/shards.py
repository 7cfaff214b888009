"""One attack as several jobs: each takes a share of the batches, and what they made is put together again."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

Part = tuple[dict[str, np.ndarray], pd.DataFrame]  # the tensors and the records of one share


def share(batches: Sequence[int], part: int, parts: int) -> Sequence[int]:
    """The `part`-th (from 0) of so many `parts`, as equal as whole batches allow."""
    return batches[part * len(batches) // parts : (part + 1) * len(batches) // parts]


def gather(made: Sequence[Part], epsilons: int) -> Part:
    """What an unshared run would have made.

    made: of each share, in order; those without images may have no columns.  epsilons: how many the attack has; all
    images at the first come before all at the next, in each share and in the whole.
    """
    kept = [(tensors, records) for tensors, records in made if len(records)]
    blocks = [
        ({name: np.split(tensor, epsilons) for name, tensor in tensors.items()}, _split(records, epsilons))
        for tensors, records in kept
    ]
    tensors = {
        name: np.concatenate([block[name][rank] for rank in range(epsilons) for block, _ in blocks])
        for name in blocks[0][0]
    }
    return tensors, pd.concat([rows[rank] for rank in range(epsilons) for _, rows in blocks], ignore_index=True)


def _split(records: pd.DataFrame, parts: int) -> list[pd.DataFrame]:
    size = len(records) // parts
    return [records.iloc[part * size : (part + 1) * size] for part in range(parts)]
