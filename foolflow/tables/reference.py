"""The published numbers, read from reference/*.yaml."""

from pathlib import Path
from typing import Any

import yaml


def load_reference(path: Path) -> dict[str, Any]:
    """`source` says where each column comes from; the rest is as the file has it."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
