"""Fetching, tested with small stand-ins for the published files and for their checksums."""

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest

from foolflow.data import fetch as module
from foolflow.data.sources import DOWNLOADS
from foolflow.errors import InvalidInput


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """A mirror with stand-ins for MNIST and CIFAR-10, whose checksums replace the published ones."""
    mirror = tmp_path / "mirror"
    for name in DOWNLOADS["mnist"].files:
        write(mirror / "mnist" / name, gzip.compress(name.encode(), mtime=0))
    for name in DOWNLOADS["cifar10"].files:
        write(mirror / name, name.encode())

    def md5s(source):
        folder = mirror / DOWNLOADS[source].mirror_folder
        return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in DOWNLOADS[source].files}

    known = {source: md5s(source) for source in ("mnist", "cifar10")}
    monkeypatch.setattr(module, "checksums", lambda source: known[source])
    return mirror


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def no_network(monkeypatch):
    def fail(url, *_):
        raise OSError(f"no route to {url}")

    monkeypatch.setattr(module, "download_url", fail)


@pytest.mark.parametrize("source", ["mnist", "cifar10"])
@pytest.mark.usefixtures("no_network")
def test_a_mirror_is_used_instead_of_the_network(published, tmp_path, source):
    raw = tmp_path / "raw"
    module.fetch(source, raw, published)
    for name in DOWNLOADS[source].files:
        original = published / DOWNLOADS[source].mirror_folder / name
        assert (raw / name).read_bytes() == original.read_bytes()


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"X" + content[1:], lambda _: b""])
@pytest.mark.usefixtures("no_network")
def test_a_damaged_mirror_file_is_named_and_not_copied(published, tmp_path, damage):
    name = DOWNLOADS["mnist"].files[0]
    file = published / "mnist" / name
    file.write_bytes(damage(file.read_bytes()))
    raw = tmp_path / "raw"
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        module.fetch("mnist", raw, published)
    message = str(caught.value)
    assert str(file) in message
    assert ", expected " in message
    assert f"{file.stat().st_size:,} bytes" in message
    assert not (raw / name).exists()
    assert not list(raw.glob(".*"))


@pytest.mark.usefixtures("no_network")
def test_without_network_and_files_the_error_says_what_to_do(published, tmp_path):
    (published / "mnist" / DOWNLOADS["mnist"].files[2]).unlink()
    with pytest.raises(InvalidInput, match="data_mirror") as caught:
        module.fetch("mnist", tmp_path / "raw", published)
    assert DOWNLOADS["mnist"].files[2] in str(caught.value)
    with pytest.raises(InvalidInput, match="FOOLFLOW_DATA_MIRROR"):
        module.fetch("cifar10", tmp_path / "raw", None)


def test_a_mirror_that_is_not_a_folder_is_rejected(published, tmp_path):
    with pytest.raises(InvalidInput, match="is not a folder"):
        module.fetch("mnist", tmp_path / "raw", tmp_path / "nowhere")


def test_intact_files_are_left_alone(published, tmp_path):
    raw = tmp_path / "raw"
    module.fetch("mnist", raw, published)
    before = {file: file.stat().st_mtime_ns for file in raw.iterdir()}
    module.fetch("mnist", raw, None)
    assert before == {file: file.stat().st_mtime_ns for file in raw.iterdir()}


def test_downloads_are_checked_too(published, tmp_path, monkeypatch):
    """torchvision checks the archive; Foolflow checks each file extracted from it."""
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(published / "cifar-10-batches-py", "cifar-10-batches-py")

    def download(url, folder, name, md5):
        (Path(folder) / name).write_bytes(archive.read_bytes())

    monkeypatch.setattr(module, "download_url", download)
    raw = tmp_path / "raw"
    module.fetch("cifar10", raw, None)
    assert all((raw / name).is_file() for name in DOWNLOADS["cifar10"].files)

    (raw / DOWNLOADS["cifar10"].files[0]).unlink()
    with tarfile.open(archive, "w:gz") as opened:
        (published / DOWNLOADS["cifar10"].files[0]).write_bytes(b"other")
        opened.add(published / "cifar-10-batches-py", "cifar-10-batches-py")
    with pytest.raises(InvalidInput, match="the download is damaged"):
        module.fetch("cifar10", raw, None)
    assert not (raw / DOWNLOADS["cifar10"].files[0]).exists()


@pytest.mark.parametrize("source", sorted(DOWNLOADS))
def test_the_listed_files_are_those_that_torchvision_lists(source):
    assert set(module.checksums(source)) == set(DOWNLOADS[source].files)
    assert all(len(md5) == 32 for md5 in module.checksums(source).values())
