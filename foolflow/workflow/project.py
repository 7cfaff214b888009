"""Where the project's own files are, wherever it runs: in a clone, or installed from a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # the folder `foolflow`


def project_folder() -> Path:
    """The folder with Snakefile, rules/, scripts/ and config.yaml: the clone, or `foolflow/project` of a wheel."""
    clone = PACKAGE.parent
    return clone if (clone / "Snakefile").is_file() else PACKAGE / "project"
