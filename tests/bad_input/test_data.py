"""Unusable data: arrays, folders of images, and the published files."""

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foolflow.data.sources import IDX_FILES
from tests.bad_input.conftest import EXECUTED, Case, Executes, Site, run_inside, table

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8), dtype=np.uint8)
LABELS = np.arange(40) % 4


def npz(**arrays):
    """Write an npz file as a data set; arrays that are None are left out."""

    def make(site: Site) -> list:
        held = {"images": IMAGES, "labels": LABELS} | arrays
        given = {name: array for name, array in held.items() if array is not None}
        np.savez_compressed(site.folder / "mine.npz", **given)
        return split_npz(site)

    return make


def split_npz(site: Site) -> list:
    return site.split({"source": "npz", "path": str(site.folder / "mine.npz"), "val": 8, "test": 8})


def npz_bytes(change):
    """Change the bytes of a valid npz file."""

    def make(site: Site) -> list:
        call = npz()(site)
        path = site.folder / "mine.npz"
        path.write_bytes(change(path.read_bytes()))
        return call

    return make


def pickled_npz(site: Site) -> list:
    return npz(labels=np.array([Executes(site.folder / EXECUTED)], dtype=object))(site)


def bare_pickle(site: Site) -> list:
    (site.folder / "mine.npz").write_bytes(pickle.dumps(Executes(site.folder / EXECUTED)))
    return split_npz(site)


def zip_bomb(site: Site) -> list:
    """A few hundred bytes that declare 5 GB; the reader must notice without decompressing them."""
    with zipfile.ZipFile(site.folder / "mine.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", b"\0" * 1000)
        archive.infolist()[0].file_size = 5 * 2**30
    return split_npz(site)


def lying_header(site: Site) -> list:
    """NumPy would allocate 8 TB before it notices that the data are missing."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(site.folder / "mine.npz", "w") as archive:
        archive.writestr("images.npy", head.getvalue() + b"\0" * 64)
    return split_npz(site)


def few(val: int = 8, test: int | None = 8):
    def make(site: Site) -> list:
        npz()(site)
        entry = {"source": "npz", "path": str(site.folder / "mine.npz"), "val": val} | ({"test": test} if test else {})
        return site.split(entry)

    return make


PARTS = {f"{name}_{part}": array for part in ("train", "val", "test") for name, array in (("x", IMAGES), ("y", LABELS))}
NOT_0_TO_3 = np.where(LABELS == 3, 9, LABELS)


@table(
    ("missing", split_npz, "mine.npz cannot be read", "No such file"),
    ("not an npz file", npz_bytes(lambda _: b"hello"), "mine.npz cannot be read as an npz file"),
    ("empty file", npz_bytes(lambda _: b""), "mine.npz cannot be read"),
    ("truncated", npz_bytes(lambda data: data[: len(data) // 2]), "mine.npz cannot be read"),
    ("a changed byte", npz_bytes(lambda data: data[:300] + b"\0\1\2" + data[303:]), "mine.npz cannot be read"),
    ("a pickle inside", pickled_npz, "mine.npz cannot be read", "Object arrays cannot be loaded"),
    ("a pickle itself", bare_pickle, "mine.npz cannot be read"),
    ("a zip bomb", zip_bomb, "its arrays take 5,368,710,120 bytes, the limit is 4,294,967,296;"),
    ("a lying header", lying_header, "images.npy declares 8,000,000,000,"),
    ("no labels", npz(labels=None), "has no array 'labels'; it holds images"),
    ("different lengths", npz(labels=LABELS[:39]), "40 images but labels of shape (39,)"),
    ("no images", npz(images=IMAGES[:0], labels=LABELS[:0]), "no images"),
    ("images without pixels", npz(images=IMAGES[:, :, :0]), "have no pixels"),
    (
        "bytes of 0 and 1",
        npz(images=IMAGES // 128),
        "uint8 from 0 to 1, where white is 255; multiply by 255, or save them",
    ),
    ("wrong number of channels", npz(images=np.zeros((40, 5, 8, 8), np.uint8)), "shape (40, 5, 8, 8)"),
    ("wrong type", npz(images=IMAGES.astype(np.int16)), "images are int16"),
    ("NaN in the images", npz(images=np.where(IMAGES > 250, np.nan, 0.5)), "float images must be finite"),
    ("floats up to 255", npz(images=IMAGES.astype(float)), "float images must be finite and in [0, 1]"),
    ("negative labels", npz(labels=LABELS - 1), "labels go from -1"),
    ("labels out of range", npz(labels=NOT_0_TO_3), "go up to 9, but no image has label 3"),
    ("an absurd label", npz(labels=np.where(LABELS == 3, 2**60, LABELS)), "go up to 1152921504606846976"),
    ("float labels", npz(labels=LABELS / 2), "labels are float64; whole numbers are needed"),
    ("labels in a column", npz(labels=LABELS[:, None]), "labels have the shape (40, 1); give labels[:, 0]"),
    (
        "one-hot labels",
        npz(labels=np.eye(4)[LABELS]),
        "labels have the shape (40, 4); if they are one-hot, give labels.arg",
    ),
    ("NaN in the labels", npz(labels=LABELS + np.nan), "labels are float64"),
    ("labels that are words", npz(labels=np.array(list("abcd") * 10)), "whole numbers are needed"),
    ("one class", npz(labels=LABELS * 0), "all images are of one class, '0'"),
    ("one image of a class", npz(labels=np.array([1] + [0] * 39)), "cannot be set aside", "least populated class"),
    ("more val images than there are", few(val=1000, test=8), "val: 1000 of 32 images cannot be set aside"),
    ("val images to set aside and given", npz(**PARTS), "val: 8 images", "has its own, in x_val; remove `val:`"),
    ("no number of test images", few(test=None), "set `test` to the number of images to set aside"),
)
def test_arrays(refused, case):
    refused(case)


def folder(*changes):
    """Make a folder of images and apply the changes to it."""

    def make(site: Site) -> list:
        path = site.folder / "images"
        for name in ("cat", "dog"):
            (path / name).mkdir(parents=True)
            for number in range(8):
                Image.fromarray(IMAGES[number]).save(path / name / f"{number}.png")
        for change in changes:
            change(path)
        entry = {"source": "folder", "path": str(path), "channels": 1, "size": 8, "val": 2, "test": 2}
        return site.split(entry)

    return make


def put(name: str, content: bytes):
    return lambda path: (path / name).write_bytes(content)


def empty(*classes: str):
    def change(path: Path) -> None:
        for file in (file for name in classes for file in (path / name).iterdir()):
            file.unlink()

    return change


def without(*classes: str):
    def change(path: Path) -> None:
        empty(*classes)(path)
        for name in classes:
            (path / name).rmdir()

    return change


def truncate(path: Path) -> None:
    file = path / "cat/0.png"
    file.write_bytes(file.read_bytes()[:60])


def link(name: str, target: str):
    return lambda path: (path / name).symlink_to(target)


def deep(path: Path) -> None:
    Image.fromarray(np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)).save(path / "cat/deep.png")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# 50,000 x 50,000 pixels, 2.5 GB when decoded, in 80 bytes.
GIGAPIXELS = (
    b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    + png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
    + png_chunk(b"IEND", b"")
)
# Pillow passes it to Ghostscript if that is installed.
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(executed) (w) file closefile\nshowpage\n%%EOF\n"


def missing_folder(site: Site) -> list:
    return site.split({"source": "folder", "path": "nowhere", "channels": 1, "size": 8, "val": 2, "test": 2})


@table(
    ("missing", missing_folder, "path nowhere is not a folder"),
    ("an empty folder", folder(without("cat", "dog")), "images: there are no class folders; make a folder for each"),
    ("an empty class", folder(empty("dog")), "no images of the class 'dog'"),
    ("one class", folder(without("dog")), "all images are of one class, 'cat'"),
    ("a corrupt image", folder(put("cat/0.png", b"no image")), "cat/0.png is not a readable image"),
    ("an empty image", folder(put("cat/0.png", b"")), "cat/0.png is not a readable image"),
    ("a truncated image", folder(truncate), "cat/0.png is not a readable image"),
    ("gigapixels", folder(put("cat/0.png", GIGAPIXELS)), "cat/0.png is not a readable image", "decompression bomb"),
    ("PostScript by another name", folder(put("cat/0.png", POSTSCRIPT)), "cat/0.png is not a readable image"),
    ("16 bits", folder(deep), "cat/deep.png has more than 8 bits per channel"),
    ("a link out of the folder", folder(link("cat/x.png", "/etc/passwd")), "cat/x.png is a link", "leads out of"),
    ("a link that forms a loop", folder(link("cat/again", "..")), "cat/again is a link to a folder"),
    ("a link to nothing", folder(link("cat/x.png", "nothing.png")), "cat/x.png is neither a file nor a folder"),
    ("a pipe", folder(lambda path: os.mkfifo(path / "cat/x.png")), "cat/x.png is neither a file nor a folder"),
)
def test_folders_of_images(refused, case):
    refused(case)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX"])
def test_only_the_listed_formats_are_opened(refused, kind):
    """By default Pillow opens other formats by their content, and runs EPS, a language, with Ghostscript."""
    content = io.BytesIO()
    Image.new("L", (16, 16)).save(content, kind)
    with Image.open(content) as opened:
        assert opened.format == kind
    make = folder(put("cat/0.png", content.getvalue()))
    refused(Case(kind, make, ("cat/0.png is not a readable image: UnidentifiedImageError",)))


def idx(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    shape = shape or array.shape
    head = struct.pack(">HBB", 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), compresslevel=1)


def mnist(part: int, content: bytes | None):
    """Write MNIST's four files, one of them with this content; None leaves it out."""

    def make(site: Site) -> list:
        for name, array in zip(IDX_FILES, (IMAGES, LABELS) * 2, strict=True):
            (site.folder / name).write_bytes(idx(array))
        file = site.folder / IDX_FILES[part]
        file.unlink() if content is None else file.write_bytes(content)
        return site.split({"source": "mnist", "val": 8})

    return make


def cifar_pickle(site: Site) -> list:
    batches = site.folder / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "data_batch_1").write_bytes(pickle.dumps(Executes(site.folder / EXECUTED)))
    return site.split({"source": "cifar10", "val": 8})


BOMB = gzip.compress(b"\0" * 2**20) * 120  # concatenated members that decompress to 126 MB


@table(
    ("missing", mnist(0, None), "train-images-idx3-ubyte.gz cannot be read", "No such file"),
    ("truncated", mnist(0, idx(IMAGES)[:-30]), "train-images-idx3-ubyte.gz cannot be read"),
    ("not gzip", mnist(3, b"hello"), "t10k-labels-idx1-ubyte.gz cannot be read"),
    ("decompresses without end", mnist(0, BOMB), "it decompresses to more than 100,000,000 bytes"),
    ("a lying header", mnist(0, idx(IMAGES, (2**31, 28, 28))), "its header declares 1,683,627,180,032 bytes"),
    ("another array", mnist(1, idx(IMAGES)), "train-labels-idx1-ubyte.gz", "its header is not that of a byte array"),
    ("labels out of range", mnist(1, idx(LABELS + 7)), "labels go from 7 to 10; with 10 classes"),
    ("a pickle with a wrong checksum", cifar_pickle, "Dataset not found or corrupted", "remove the folder"),
)
def test_published_files(refused, case):
    refused(case)


def fetch(content: bytes):
    def make(site: Site) -> list:
        mirror = site.folder / "mirror"
        (mirror / "mnist").mkdir(parents=True)
        for name in IDX_FILES:
            (mirror / "mnist" / name).write_bytes(content)
        raw = site.results / "data/mnist/raw"
        options = ["--files", *(raw / name for name in IDX_FILES)]
        return ["fetch", "--source", "mnist", "--mirror", mirror, *options]

    return make


@table(
    ("wrong checksum", fetch(idx(IMAGES)), IDX_FILES[0], "has MD5 ", "; replace or remove this file in the data"),
    ("truncated", fetch(b""), IDX_FILES[0], "(0 bytes) has MD5 "),
)
def test_files_of_a_mirror(refused, case):
    refused(case)


def test_valid_data_are_accepted(site):
    """Otherwise the cases above might fail for another reason than the intended one."""
    for make in (npz(), folder(), mnist(0, idx(IMAGES))):
        code, output = run_inside(*make(site))
        assert code == 0, output
