"""Divide the shards of an attack into groups, which are gathered first.

Snakemake looks at all inputs of a job each time that one of them is made, so the cost of one job that waits for every
shard grows with the square of their number.
"""

MOST_PARTS = 100  # that one job gathers; as many groups of as many shards are the most that the config allows


def groups_of(shards: int) -> list[range]:
    """Return consecutive groups of nearly equal size, of at most MOST_PARTS shards each.

    There are none if one job can gather all shards.
    """
    if shards <= MOST_PARTS:
        return []
    groups = -(-shards // MOST_PARTS)
    return [range(rank * shards // groups, (rank + 1) * shards // groups) for rank in range(groups)]
