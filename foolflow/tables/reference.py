"""Published numbers, read from reference/*.yaml."""

from pathlib import Path
from typing import Any

import yaml


def load_reference(path: Path) -> dict[str, Any]:
    """Return the file's content. `source` names the source of each column."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
