"""Locate the project's files, in a clone or in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # the folder `foolflow`


def project_folder() -> Path:
    """Return the folder with Snakefile, rules/, scripts/ and config.yaml: a clone, or `foolflow/project` in a wheel."""
    clone = PACKAGE.parent
    return clone if (clone / "Snakefile").is_file() else PACKAGE / "project"
