"""Derive one seed per artefact from its name, so that no result depends on the order of the jobs."""

import hashlib


def derived_seed(*names: str | int) -> int:
    """Return a 63-bit seed that depends on all of `names` and on nothing else."""
    digest = hashlib.sha256("/".join(str(name) for name in names).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
