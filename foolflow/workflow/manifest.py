"""What a run made, by what code, with which software, on what machine."""

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

# What can change a number. Exact versions of everything are in requirements.lock.
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


def describe_run(results: Path, artefacts: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """artefacts: `path` (a file or a folder) below `results`, and `code`, the digest of the code that made it.

    Files that hold timings (metrics.json, history.csv, summary.json) are no artefacts here: two runs never agree
    on them. Nor is the date: the same run twice has the same manifest.
    """
    return {
        "artefacts": {
            artefact["path"]: {"code": artefact["code"], "sha256": checksum(results / artefact["path"])}
            for artefact in artefacts
        },
        "hardware": {
            "processor": _processor(),
            "gpus": _gpus(),
            "machine": platform.machine(),
            "system": platform.system(),
        },
        "software": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def checksum(path: Path) -> str:
    """Of a file; or of a folder's files, each by its name and checksum."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        listed = "".join(f"{checksum(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _processor() -> str:
    """The processor's name; platform.processor() is empty on many Linux systems."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    """The names of the GPUs that NVIDIA's driver sees."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
