import gzip
import struct

import numpy as np
import pytest

from foolflow.data.readers import cifar10, digits, idx, npz
from foolflow.data.splits import Split, load_split, save_split
from foolflow.errors import InvalidInput


def read_npz(path, **entry):
    return npz.read({"path": str(path), "val": 2} | entry, path)


def test_digits_are_square_8_bit_images(tmp_path):
    split = digits.read({}, tmp_path)["train"]
    assert split.images.shape == (1797, 1, 28, 28)
    assert split.images.dtype == np.uint8
    assert split.images.max() == 255
    assert np.bincount(split.labels).min() > 170


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def test_idx_files_are_read_as_published(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    labels = np.arange(7, dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    splits = idx.read({"source": "fashion_mnist"}, tmp_path)
    train, test = splits["train"], splits["test"]
    assert (train.images[:, 0] == images).all()
    assert (train.labels == labels).all()
    assert len(test) == 7
    assert train.class_names[0] == "T-shirt/top"

    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        idx.read({"source": "mnist"}, tmp_path)


def test_cifar_pickles_with_a_wrong_checksum_are_not_opened(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(InvalidInput, match="corrupted"):
        cifar10.read({"source": "cifar10"}, tmp_path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("shape", [(6, 9, 9), (6, 9, 9, 1), (6, 1, 9, 9)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_npz_files_in_the_usual_layouts(tmp_path, shape, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 1, 9, 9), dtype=np.uint8)
    images = pixels.reshape(shape)
    images = images if kind is np.uint8 else (images / 255).astype(np.float32)
    labels = np.arange(6) % 3
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images[:3], y_test=labels[:3])
    splits = read_npz(tmp_path / "a.npz")
    train, test = splits["train"], splits["test"]
    assert (train.images == pixels).all()
    assert len(test) == 3
    assert train.class_names == ("0", "1", "2")
    np.savez(tmp_path / "b.npz", images=images, labels=labels)
    assert read_npz(tmp_path / "b.npz").keys() == {"train"}


GOOD = np.zeros((6, 8, 8), np.uint8)
LABELS = np.zeros(6, np.int64)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": GOOD}, "has no array 'labels'"),
        ({"pictures": GOOD}, "has no array 'images'; it holds pictures"),
        ({"x_train": GOOD, "y_train": LABELS}, "has no array 'x_test'"),
        ({"images": GOOD, "labels": LABELS[:4]}, "6 images but labels of shape (4,)"),
        ({"images": GOOD, "labels": LABELS - 1}, "labels go from -1"),
        ({"images": GOOD, "labels": LABELS + 0.5}, "whole numbers"),
        ({"images": GOOD[:, :0], "labels": LABELS}, "no pixels"),
        ({"images": np.zeros((6, 5, 8, 8), np.uint8), "labels": LABELS}, "is not (N, H, W)"),
        ({"images": np.full((6, 8, 8), np.nan), "labels": LABELS}, "finite"),
        ({"images": np.full((6, 8, 8), 2.0), "labels": LABELS}, "in [0, 1]"),
        ({"images": np.zeros((6, 8, 8), np.int32), "labels": LABELS}, "int32"),
        ({"images": GOOD[:0], "labels": LABELS[:0]}, "no images"),
        ({"images": GOOD[:0].astype(float), "labels": LABELS[:0]}, "no images"),
        ({"images": GOOD, "labels": np.array(list("abcdef"))}, "whole numbers"),
        ({"images": GOOD, "labels": LABELS + np.nan}, "whole numbers"),
    ],
)
def test_errors_name_the_bad_npz_file(tmp_path, arrays, words):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        read_npz(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_not_npz_or_hold_a_pickle_are_rejected(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InvalidInput, match="cannot be read as an npz"):
        read_npz(tmp_path / "text.npz")
    np.savez(tmp_path / "pickle.npz", images=np.array([{"a": 1}], dtype=object), labels=LABELS)
    with pytest.raises(InvalidInput, match="cannot be read as an npz"):
        read_npz(tmp_path / "pickle.npz")
    with pytest.raises(InvalidInput, match="nowhere"):
        read_npz(tmp_path / "nowhere.npz")
    np.save(tmp_path / "single.npy", GOOD)
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(InvalidInput, match="a single unnamed array"):
        read_npz(tmp_path / "single.npz")


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:70] + b"XXXX" + data[74:]])
def test_a_damaged_npz_is_named(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=GOOD + np.arange(64, dtype=np.uint8).reshape(8, 8), labels=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidInput, match=r"a\.npz cannot be read as an npz file"):
        read_npz(path)


def test_a_split_survives_saving_and_loading(tmp_path, digits_splits):
    path = tmp_path / "val.safetensors"
    save_split(path, digits_splits["val"])
    loaded = load_split(path)
    assert (loaded.images == digits_splits["val"].images).all()
    assert (loaded.labels == digits_splits["val"].labels).all()
    assert loaded.class_names == digits_splits["val"].class_names
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InvalidInput, match=r"val\.safetensors is not a split"):
        load_split(path)


def test_a_split_with_a_label_out_of_range_is_rejected(tmp_path):
    save_split(tmp_path / "a.safetensors", Split(GOOD[:, None], LABELS + 3, ("one", "two")))
    with pytest.raises(InvalidInput, match="with 2 classes they must be 0 to 1"):
        load_split(tmp_path / "a.safetensors")
