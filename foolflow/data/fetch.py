"""Fetch the published files of a data set from a mirror on disk, or from the network with torchvision.

Every file is checked against the MD5 that torchvision lists for it before it gets its final name.
"""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets import CIFAR10, MNIST, FashionMNIST
from torchvision.datasets.utils import download_url

from foolflow.data.sources import DOWNLOADS
from foolflow.errors import InvalidInput
from foolflow.jobs.files import whole_file

IDX_DATASETS = {"mnist": MNIST, "fashion_mnist": FashionMNIST}


def checksums(source: str) -> dict[str, str]:
    """Return the MD5 that torchvision lists for each raw file of `source`, by the file's name in DOWNLOADS."""
    if source in IDX_DATASETS:
        return dict(IDX_DATASETS[source].resources)
    folder = CIFAR10.base_folder
    listed = [*CIFAR10.train_list, *CIFAR10.test_list, [CIFAR10.meta["filename"], CIFAR10.meta["md5"]]]
    return {f"{folder}/{name}": md5 for name, md5 in listed}


def fetch(source: str, raw: Path, mirror: Path | None) -> None:
    """Put the files of `source` into `raw`. Files that are already there and intact are left alone.

    source: a key of DOWNLOADS.  mirror: a folder searched before the network.
    Raises InvalidInput if the mirror is not a folder, a checksum differs, or a file cannot be downloaded.
    """
    if mirror is not None and not mirror.is_dir():
        raise InvalidInput(f"data_mirror: {mirror} is not a folder")
    expected = checksums(source)
    missing = {name: md5 for name, md5 in expected.items() if not _is_intact(raw / name, md5)}
    if mirror is not None:
        for name in list(missing):
            if (copy := mirror / DOWNLOADS[source].mirror_folder / name).exists():
                _copy_checked(copy, raw / name, missing.pop(name), "replace or remove this file in the data mirror")
    if missing:
        with tempfile.TemporaryDirectory(prefix="foolflow-") as folder:
            for name, file in _download(source, missing, Path(folder)).items():
                _copy_checked(file, raw / name, missing[name], "the download is damaged, run again")


def _is_intact(file: Path, md5: str) -> bool:
    return file.is_file() and _md5(file) == md5


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _copy_checked(file: Path, target: Path, md5: str, remedy: str) -> None:
    found = _md5(file)
    if found != md5:
        size = file.stat().st_size
        raise InvalidInput(f"{file} ({size:,} bytes) has MD5 {found}, expected {md5}; {remedy}")
    with whole_file(target) as partial:
        shutil.copyfile(file, partial)


def _download(source: str, missing: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Download the missing files into `folder`. The caller verifies the checksum of each file."""
    if source in IDX_DATASETS:
        mirrors = IDX_DATASETS[source].mirrors
        return {
            name: _download_first([mirror + name for mirror in mirrors], folder, md5) for name, md5 in missing.items()
        }
    archive = _download_first([CIFAR10.url], folder, CIFAR10.tgz_md5)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, members=[opened.getmember(name) for name in missing], filter="data")
    return {name: folder / name for name in missing}


def _download_first(urls: list[str], folder: Path, md5: str) -> Path:
    """Return the file from the first of `urls` that delivers it with the right checksum."""
    reasons = []
    for url in urls:
        name = url.rsplit("/", 1)[1]
        try:
            download_url(url, folder, name, md5)
            return folder / name
        except (OSError, RuntimeError, HTTPException) as error:  # RuntimeError: "not found or corrupted"
            reasons.append(f"{url}: {' '.join(str(error).split())}")
    raise InvalidInput(
        f"cannot download the file with MD5 {md5}: {'; '.join(reasons)}. "
        "Check the network, or set data_mirror in the config, or the environment variable FOOLFLOW_DATA_MIRROR, "
        "to a folder that holds the files"
    )
