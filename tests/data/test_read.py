import gzip
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from torchvision import transforms

from foolflow.data.divide import divide
from foolflow.data.readers import digits, idx, npz
from foolflow.data.sources import splits_of
from foolflow.data.splits import Split, load_split, save_splits
from foolflow.data.tensors import write_tensors
from foolflow.errors import InvalidInput
from tests.saving import save_split


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


def arrays_of(classes, each=3, shape=(6, 9)):
    """Return images whose pixels are ten times their label, and the labels."""
    labels = np.repeat(classes, each)
    return np.broadcast_to(10 * labels[:, None, None], (len(labels), *shape)).astype(np.uint8), labels


@pytest.mark.parametrize("names", [("images", "labels"), ("x_test", "y_test")])
def test_an_npz_without_val_is_a_test_split_whose_labels_number_a_models_outputs(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, arrays_of([2, 7]), strict=True)))
    dataset = {"source": "npz", "path": str(tmp_path / "a.npz")}
    assert splits_of(dataset) == ("test",)
    source = npz.read(dataset, tmp_path)
    assert source.keys() == {"test"}
    (split,) = divide(source, dataset, 0).values()
    assert split.class_names == tuple("01234567")
    assert split.shape == {"channels": 1, "size": [6, 9], "classes": 8}
    assert sorted(split.labels.tolist()) == [2, 2, 2, 7, 7, 7]
    assert (split.images[:, 0, 0, 0] == 10 * split.labels).all()


def test_the_test_images_of_an_npz_with_train_images(tmp_path):
    train, test = arrays_of([0, 1, 2, 3]), arrays_of([1])
    np.savez(tmp_path / "a.npz", x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    split = npz.read({"source": "npz", "path": str(tmp_path / "a.npz")}, tmp_path)["test"]
    assert split.class_names == ("0", "1", "2", "3")
    assert split.labels.tolist() == [1, 1, 1]
    np.savez(tmp_path / "b.npz", images=test[0], labels=test[1])
    with pytest.raises(InvalidInput, match="no image has label 0"):
        read_npz(tmp_path / "b.npz")


def save_parts(path, *parts, **more):
    """Save three images of each of two classes for each of the parts, all of the part's own grey level."""
    arrays = {}
    for level, part in enumerate(parts):
        images, arrays[f"y_{part}"] = arrays_of([0, 1])
        arrays[f"x_{part}"] = np.full_like(images, 10 * level)
    np.savez(path, **arrays, **more)


def levels(splits):
    return {part: set(split.images.flat) for part, split in splits.items()}


def test_the_val_images_of_an_npz_are_its_val_split(tmp_path):
    save_parts(tmp_path / "a.npz", "train", "val", "test")
    dataset = {"source": "npz", "path": str(tmp_path / "a.npz")}
    source = npz.read(dataset, tmp_path)
    assert levels(source) == {"train": {0}, "val": {10}, "test": {20}}
    assert tuple(source) == splits_of(dataset)
    assert levels(divide(source, dataset, 0)) == levels(source)
    assert {split.notices for split in source.values()} == {()}


@pytest.mark.parametrize(
    ("parts", "counts", "words"),
    [
        (("train", "val", "test"), {"val": 2}, "val: 2 images would be set aside, but {path} has its own, in x_val;"),
        (("train", "test"), {"val": 2, "test": 3}, "test: 3 images would be set aside, but {path} has its own, in x_"),
        (("train", "val"), {}, "{path} has no array 'x_test'"),
    ],
)
def test_images_are_not_set_aside_in_place_of_those_of_the_npz(tmp_path, parts, counts, words):
    path = tmp_path / "a.npz"
    save_parts(path, *parts)
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        npz.read({"source": "npz", "path": str(path)} | counts, path)
    assert words.format(path=path) in str(caught.value)


def test_val_images_without_labels_are_an_error(tmp_path):
    save_parts(tmp_path / "a.npz", "train", "test", x_val=GOOD)
    with pytest.raises(InvalidInput, match="has no array 'y_val'"):
        npz.read({"path": str(tmp_path / "a.npz")}, tmp_path)


def test_a_notice_names_the_arrays_of_an_npz_that_are_passed_over(tmp_path):
    save_parts(tmp_path / "a.npz", "train", "test", x_valid=GOOD, y_valid=LABELS)
    for entry in ({}, {"val": 2}):
        splits = npz.read({"path": str(tmp_path / "a.npz")} | entry, tmp_path)
        expected = (f"{tmp_path / 'a.npz'}: arrays passed over: x_valid, y_valid",)
        assert {split.notices for split in splits.values()} == {expected}


def test_the_splits_of_an_npz_that_cannot_be_read_follow_the_config(tmp_path):
    (tmp_path / "a.npz").write_text("hello")
    for path in ("a.npz", "nowhere.npz"):
        dataset = {"source": "npz", "path": str(tmp_path / path)}
        assert splits_of(dataset) == ("test",)
        assert splits_of(dataset | {"val": 2}) == ("train", "val", "test")


def test_class_names_of_an_npz(tmp_path):
    images, labels = arrays_of([0, 1])
    np.savez(tmp_path / "a.npz", images=images, labels=labels, class_names=np.array(["Katze", "犬", "emu"]))
    for entry in ({}, {"val": 2}):
        (split,) = npz.read({"path": str(tmp_path / "a.npz")} | entry, tmp_path).values()
        assert split.class_names == ("Katze", "犬", "emu")
    np.savez(tmp_path / "b.npz", images=images, labels=labels, class_names=np.array(["one"]))
    with pytest.raises(InvalidInput, match="1 class_names, but labels go up to 1"):
        read_npz(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", images=images, labels=labels, class_names=np.array([1, 2]))
    with pytest.raises(InvalidInput, match="a list of texts is needed"):
        read_npz(tmp_path / "c.npz")


def test_how_much_size_cuts_off_arrays_is_told(tmp_path):
    images, labels = arrays_of([2, 3], shape=(60, 100))
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    (line,) = npz.read({"source": "npz", "path": str(tmp_path / "a.npz"), "size": 30}, tmp_path)["test"].notices
    assert "`size` cut 40 % off each image, unlike torchvision's Resize((h, w)), which distorts" in line


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_arrays_are_fitted_like_files(tmp_path, channels, mode):
    images = np.random.default_rng(0).integers(0, 256, (4, 30, 41, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(4))
    dataset = {"source": "npz", "path": str(tmp_path / "a.npz"), "channels": channels, "resize": 20, "crop": [16, 18]}
    split = npz.read(dataset, tmp_path)["test"]
    theirs = transforms.Compose([transforms.Resize(20), transforms.CenterCrop((16, 18))])
    for image, found in zip(images, split.images, strict=True):
        expected = np.asarray(theirs(Image.fromarray(image).convert(mode))).reshape(16, 18, channels)
        assert (found == expected.transpose(2, 0, 1)).all()


GOOD = np.zeros((6, 8, 8), np.uint8)
LABELS = np.zeros(6, np.int64)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": GOOD}, "has no array 'images'; it holds pictures"),
        ({"x_train": GOOD, "y_train": LABELS}, "has no array 'x_test'"),
        ({"images": GOOD[:0].astype(float), "labels": LABELS[:0]}, "no images"),
    ],
)
def test_errors_name_the_bad_npz_file(tmp_path, arrays, words):
    """Most kinds of bad files are in tests/bad_input/test_data.py."""
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
    saved = replace(digits_splits["val"], notices=("one", "two: é"), files=tuple(f"犬/{n}.png" for n in range(197)))
    save_split(path, saved)
    loaded = load_split(path)
    assert (loaded.images == saved.images).all()
    assert (loaded.labels == saved.labels).all()
    assert (loaded.class_names, loaded.notices, loaded.files) == (saved.class_names, saved.notices, saved.files)
    assert loaded.take([5, 3]).files == ("犬/5.png", "犬/3.png")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InvalidInput, match=r"val\.safetensors is not a split"):
        load_split(path)


def test_a_split_without_notices_and_files_has_the_bytes_that_it_always_had(tmp_path, digits_splits):
    """Otherwise, every victim of a published data set would be trained again."""
    split = digits_splits["val"]
    save_split(tmp_path / "new.safetensors", split)
    tensors = {"images": np.ascontiguousarray(split.images), "labels": split.labels}
    save_file(tensors, tmp_path / "old.safetensors", metadata={"class_names": json.dumps(split.class_names)})
    assert (tmp_path / "new.safetensors").read_bytes() == (tmp_path / "old.safetensors").read_bytes()


def test_loading_a_split_reads_only_the_images_that_are_used(tmp_path):
    """The file claims 40 GB of images. It is sparse, so it takes no space."""
    with write_tensors(
        tmp_path / "a.safetensors",
        {"images": (np.uint8, (300_000, 3, 210, 210)), "labels": (np.int64, (300_000,))},
        {"class_names": '["a"]'},
    ) as writer:
        writer.write("images", 299_999, np.full((1, 3, 210, 210), 7, np.uint8))
    split = load_split(tmp_path / "a.safetensors")
    assert len(split) == 300_000
    assert (split.images[299_999] == 7).all()
    assert split.take([0, 299_999]).images[:, 0, 0, 0].tolist() == [0, 7]


def test_splits_are_written_all_or_none(tmp_path, digits_splits):
    whole = digits_splits["val"]
    broken = replace(whole, images=whole.images[:, :, :, ::2].astype(np.float32))
    with pytest.raises(ValueError, match="does not fit"):
        save_splits({tmp_path / "a.safetensors": whole, tmp_path / "b.safetensors": broken})
    assert list(tmp_path.iterdir()) == []


def test_a_split_with_a_label_out_of_range_is_rejected(tmp_path):
    save_split(tmp_path / "a.safetensors", Split(GOOD[:, None], LABELS + 3, ("one", "two")))
    with pytest.raises(InvalidInput, match="with 2 classes they must be 0 to 1"):
        load_split(tmp_path / "a.safetensors")
