"""Locate the project's files, in a clone or in an installed wheel, and the packages of the user's files."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # the folder `foolflow`


def project_folder() -> Path:
    """Return the folder with Snakefile, rules/, scripts/ and config.yaml: a clone, or `foolflow/project` in a wheel."""
    clone = PACKAGE.parent
    return clone if (clone / "Snakefile").is_file() else PACKAGE / "project"


def package_of(file: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the folder from which a Python file is imported, as an absolute path, and the packages between them.

    A folder is a package if it has `__init__.py`. A file outside a package is imported from its own folder.
    """
    folder = Path(os.path.normpath(file.absolute())).parent
    packages: list[str] = []
    while folder.name and (folder / "__init__.py").is_file():
        packages.insert(0, folder.name)
        folder = folder.parent
    return folder, tuple(packages)
