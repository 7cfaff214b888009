"""Record, when a job runs, what produces its outputs: code, its part of the config, inputs, software and hardware.

`foolflow.workflow.provenance` collects these records in the manifest.
"""

import hashlib
import importlib
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput
from foolflow.jobs.files import write_json
from foolflow.workflow.code_digest import code_digest
from foolflow.workflow.project import project_folder

# The packages that can affect a result. requirements.lock has the exact versions of all packages.
PACKAGES = (
    "kornia",
    "matplotlib",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "snakemake",
    "statsmodels",
    "torch",
    "torchvision",
)


def code_that_runs(code: str) -> str:
    """Compute the digest again from the current code, which may have changed since the Snakefile was read.

    code: a digest followed by the names it was computed from, and by packages as `name==version`.
    """
    words = shlex.split(code)[1:]
    names = [name for name in words if "==" not in name]
    packages = [name.partition("==")[0] for name in words if "==" in name]
    return " ".join([code_digest(*names), *(f"{package}=={_version(package)}" for package in packages)])


def import_by_name(code: str) -> None:
    """Import the modules that the job will load by name, so that the code that runs is the code that is recorded.

    code: as in `code_that_runs`. The program itself has been imported, and the user's files are left to the job.
    """
    for name in shlex.split(code)[1:]:
        if name.startswith("foolflow.") and ":" not in name:
            importlib.import_module(name)


def write_record(
    path: Path,
    *,
    code: str,
    config: Any,
    inputs: Mapping[Path, str],
    outputs: Sequence[Path],
    varying: Collection[Path] = (),
) -> None:
    """Write the record of one job. Paths inside the results folder are recorded relative to it.

    path: the record, in `provenance/` of the results folder.  inputs: each with its checksum when the job read it.
    outputs: files and folders in the results folder.
    varying: outputs that differ between runs, such as timings; they are listed without a checksum.
    """
    results = Path(os.path.commonpath([path.absolute(), *(output.absolute() for output in outputs)]))
    write_json(
        path,
        {
            "code": code,
            "config": config,
            "commit": _commit(),
            "inputs": {_name(file, results): sha256 for file, sha256 in inputs.items() if _is_below(file, results)},
            "external": {str(file): sha256 for file, sha256 in inputs.items() if not _is_below(file, results)},
            "outputs": {_name(file, results): None if file in varying else checksum(file) for file in outputs},
            "software": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
            "hardware": {
                "processor": _processor(),
                "gpus": _gpus(),
                "machine": platform.machine(),
                "system": platform.system(),
            },
        },
    )


def is_recorded(path: Path, *, code: str, config: Any, inputs: Mapping[Path, str], outputs: Sequence[Path]) -> bool:
    """Whether the outputs exist and were produced by the same job: the same code, part of the config and inputs.

    inputs: each with its checksum.
    """
    if not code or not all(output.exists() for output in outputs):
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        recorded = record["code"], record["config"], {*record["inputs"].values(), *record["external"].values()}
        made = set(record["outputs"].values()) - {None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or damaged
        return False
    same = recorded == (code, config, set(inputs.values()))
    return same and made <= {checksum(output) for output in outputs}


def checksum(path: Path) -> str:
    """Return the sha256 of a file, or for a folder that of a list of its files' names and checksums."""
    if path.is_dir():
        listed = "".join(f"{checksum(file)}  {file.relative_to(path).as_posix()}\n" for file in _files_in(path))
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Inputs:
    """The inputs of a job as they are when it starts. A long job may outlive a file that its user replaces."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._stamps = {file: _stamp(file) for file in files}
        self.checksums = {file: checksum(file) for file in files}

    def check_unchanged(self) -> None:
        """Raise InvalidInput if the content of an input has changed since."""
        for file, stamp in self._stamps.items():
            # Only a file that was written to is read again.
            if _stamp(file) != stamp and checksum(file) != self.checksums[file]:
                raise InvalidInput(f"{file} changed while the job ran; run the same command again")


def _stamp(path: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of change of a file, or of all files in a folder."""
    files = _files_in(path) if path.is_dir() else [path]
    return [(str(file), (found := file.stat()).st_size, found.st_mtime_ns) for file in files]


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))


def _is_below(file: Path, results: Path) -> bool:
    return file.absolute().is_relative_to(results)


def _name(file: Path, results: Path) -> str:
    return file.absolute().relative_to(results).as_posix()


def _commit() -> str | None:
    """Return the project's commit, with `-dirty` if files have changed, or its version if there is no repository."""
    command = ["git", "-C", str(project_folder()), "describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        found = ""
    return found or _version("foolflow")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the processor's name. On many Linux systems platform.processor() is empty."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    """Return the names of the GPUs that NVIDIA's driver lists. Calling nvidia-smi would cost each job half a second."""
    found = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        found += [line.partition(":")[2].strip() for line in file.read_text().splitlines() if line.startswith("Model:")]
    return found
