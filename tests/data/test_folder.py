"""Folders of images as people have them. Each image has the grey level of its class and a mark of its own."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foolflow.data.divide import divide
from foolflow.data.readers import folder
from foolflow.data.sources import class_folders_of, source_files, splits_of
from foolflow.data.splits import Split, load_split, save_splits
from foolflow.errors import InvalidInput

LEVELS = {"cat": 10, "dog": 200, "emu": 90}


def put(root: Path, *names: str, size: tuple[int, int] = (8, 8)) -> None:
    """Write an image of the class that the name of its folder says, at each of these paths."""
    for name in names:
        file = root / name
        level = LEVELS[next(part for part in reversed(file.parts) if part in LEVELS)]
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, level).save(file)


def entry(path: Path, **keys) -> dict:
    return {"source": "folder", "path": str(path)} | keys


def read(path: Path, **keys) -> dict[str, Split]:
    """Read a folder through all that a job does: read, divide, write, load."""
    dataset = entry(path, **keys)
    splits = divide(folder.read(dataset, path), dataset, 0)
    assert tuple(splits) == splits_of(dataset)
    out = path.parent / f"{path.name}-splits"
    save_splits({out / f"{part}.safetensors": split for part, split in splits.items()})
    return {part: load_split(out / f"{part}.safetensors") for part in splits}


def contents(split: Split) -> dict[str, tuple[str, int]]:
    """Return the class and the grey level of each file."""
    return {
        file: (split.class_names[label], int(image[0, 0, 0]))
        for file, label, image in zip(split.files, split.labels, split.images, strict=True)
    }


def refused(path: Path, *words: str, **keys) -> None:
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        read(path, **keys)
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def photos(tmp_path) -> Path:
    return tmp_path / "photos"


def of(*parts: str, classes: str = "cat dog", count: int = 3) -> list[str]:
    return [f"{part}{name}/{number}.png" for part in parts for name in classes.split() for number in range(count)]


def assert_true(split: Split, files: list[str]) -> None:
    """Check that a split has exactly these files, each with the class and the pixels of its folder."""
    assert contents(split) == {
        file: (name, LEVELS[name]) for file in files for name in LEVELS if f"/{name}/" in f"/{file}"
    }


# ---- Layouts ----------------------------------------------------------------------------------------------------


def test_class_folders_alone_are_a_test_split(photos):
    put(photos, *of(""))
    splits = read(photos)
    assert splits.keys() == {"test"}
    assert_true(splits["test"], of(""))
    assert splits["test"].class_names == ("cat", "dog")
    assert splits["test"].notices == ()


def test_class_folders_with_val_and_test_are_divided(photos):
    put(photos, *of("", count=10))
    splits = read(photos, val=4, test=6)
    assert {part: len(split) for part, split in splits.items()} == {"train": 10, "val": 4, "test": 6}
    together = {file: found for split in splits.values() for file, found in contents(split).items()}
    assert together == {file: (name, LEVELS[name]) for file in of("", count=10) for name in [file[:3]]}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "VAL", "Test"),
        ("training", "valid", "testing"),
        ("TRAIN", "validation", "test"),
        ("training_set", "val-images", "test data"),
    ],
)
def test_train_val_and_test_folders_are_the_splits_in_any_capitalisation(photos, names):
    for name in names:
        put(photos, *of(f"{name}/"))
    splits = read(photos)
    for part, name in zip(("train", "val", "test"), names, strict=True):
        assert_true(splits[part], of(f"{name}/"))
        assert splits[part].class_names == ("cat", "dog")


def test_train_and_test_folders_are_for_evaluation_unless_val_images_are_set_aside(photos):
    put(photos, *of("train/", count=8), *of("test/"))
    assert_true(read(photos)["test"], of("test/"))
    assert read(photos).keys() == {"test"}
    splits = read(photos, val=4)
    assert_true(splits["test"], of("test/"))
    assert sorted(splits["train"].files + splits["val"].files) == of("train/", count=8)


def test_train_and_val_folders_with_test_images_set_aside(photos):
    put(photos, *of("train/", count=8), *of("val/"))
    splits = read(photos, test=4)
    assert_true(splits["val"], of("val/"))
    assert sorted(splits["train"].files + splits["test"].files) == of("train/", count=8)


def test_a_test_folder_alone(photos):
    put(photos, *of("test/"))
    assert_true(read(photos)["test"], of("test/"))


def test_labels_follow_the_classes_of_train(photos):
    """A model that was trained on train knows three classes; the test images lack the first one."""
    put(photos, *of("train/", classes="cat dog emu"), *of("test/", classes="dog emu"))
    test = read(photos)["test"]
    assert test.class_names == ("cat", "dog", "emu")
    assert_true(test, of("test/", classes="dog emu"))
    assert set(test.labels.tolist()) == {1, 2}
    assert any("1 of 3 classes without images" in line and line.endswith(": cat") for line in test.notices)


@pytest.mark.parametrize("inside", ["archive/", "a/b/", "archive/train/"])
def test_a_wrapper_is_no_class(photos, inside):
    put(photos, *of(inside, "archive/test/" if "train" in inside else inside))
    (photos / "README.txt").write_text("made by an archive")
    found = "archive/test/" if "train" in inside else inside
    split = read(photos)["test"]
    assert_true(split, of(found))
    assert any(str(photos / found.rstrip("/")) in line for line in split.notices)


def test_an_archive_that_repeats_the_names_of_its_parts(photos):
    put(photos, *of("training_set/training_set/"), *of("test_set/test_set/"))
    assert_true(read(photos)["test"], of("test_set/test_set/"))


def test_one_class_is_enough_for_evaluation(photos):
    put(photos, *of("", classes="dog"))
    assert_true(read(photos)["test"], of("", classes="dog"))


def test_folders_within_a_class_belong_to_it(photos):
    files = ["cat/tabby/1.png", "cat/siamese/1.png", "dog/1.png"]
    put(photos, *files)
    assert_true(read(photos)["test"], files)
    shutil.rmtree(photos)
    files = ["cat/images/1.png", "dog/images/1.png"]  # as in Tiny ImageNet
    put(photos, *files)
    assert_true(read(photos)["test"], files)


@pytest.mark.parametrize(
    ("files", "keys", "words"),
    [
        (of("train/", "val/"), {}, ("no test images", "write path: {photos}/val")),
        (of("val/"), {}, ("not test images", "write path: {photos}/val")),
        (of("train/"), {}, ("only train images", "write path: {photos}/train")),
        (of("train/"), {"val": 2}, ("only train images", "set `val` and `test`")),
        (of("train/", "val/", "test/"), {"val": 2}, ("val: 2", "{photos}/val", "remove `val:` or the folder")),
        (of("train/", "test/"), {"val": 2, "test": 2}, ("test: 2", "{photos}/test", "remove `test:`")),
        (of("test/"), {"val": 2}, ("val: ", "no folder train")),
        (of("", "train/"), {}, ("folders of parts (train)", "such as cat")),
        (of("test/", "Test/"), {}, ("{photos}/Test and {photos}/test both mean the test images",)),
        (of("train/", "test/", classes="cat dog") + of("test/", classes="emu"), {}, ("no class 'emu'", "cat, dog")),
        (of("fold1/", "fold2/"), {}, ("2 folders", "a folder named cat", "may be parts and not classes")),
        (of("seg_train/seg_train/", "seg_test/seg_test/"), {}, ("2 folders", "may be parts")),
        ([*of("archive/"), "archive/cat.png"], {}, ("only the folder archive", "both images and folders")),
        (["cat.png", "dog.png"], {}, ("the images lie in no class folder", "/cat/1.png")),
        (["test/cat.png"], {}, ("the images lie in no class folder",)),
        (of(""), {"test": 2}, ("val: missing",)),
        (of(""), {"val": 2}, ("set `test` to the number",)),
    ],
)
def test_a_layout_that_cannot_be_understood_is_refused(photos, files, keys, words):
    for file in files:
        if "/" in file.replace("archive/cat.png", "").replace("test/cat.png", ""):
            put(photos, file)
        else:
            (photos / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(photos / file)
    refused(photos, *(word.format(photos=photos) for word in words), **keys)


# ---- Files ------------------------------------------------------------------------------------------------------

LEFT_BY_SYSTEMS = [
    *(".DS_Store", "cat/.DS_Store", "cat/._0.png", "cat/Thumbs.db", "desktop.ini", "dog/Desktop.ini"),
    *(".ipynb_checkpoints/cat/0.png", "cat/.ipynb_checkpoints/0-checkpoint.png", "__MACOSX/cat/._0.png"),
    *("$RECYCLE.BIN/0.png", "@eaDir/cat/0.png", "cat/@eaDir/0.png/thumb.png", ".git/HEAD", ".thumbnails/0.png"),
]


@pytest.mark.parametrize("inside", ["", "archive/", "test/"])
def test_what_systems_leave_in_folders_changes_nothing(photos, inside):
    put(photos, *of(inside))
    before, inputs = read(photos)["test"], source_files(entry(photos))
    assert len(inputs) == 6
    for name in LEFT_BY_SYSTEMS:
        for file in {photos / inside / name, *([] if name[:3] in LEVELS else [photos / name])}:
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (5, 9), 77).save(file, "png")
    after = read(photos)["test"]
    assert contents(after) == contents(before)
    assert (after.files, after.class_names, after.notices) == (before.files, before.class_names, before.notices)
    assert source_files(entry(photos)) == inputs
    assert class_folders_of(entry(photos)) == ["cat", "dog"]


def test_a_hidden_folder_above_the_images_does_not_hide_them(tmp_path):
    put(tmp_path / ".cache/photos", *of(""))
    assert_true(read(tmp_path / ".cache/photos")["test"], of(""))
    assert len(source_files(entry(tmp_path / ".cache/photos"))) == 6


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *[("gif", "GIF"), ("jfif", "JPEG"), ("jpe", "JPEG"), ("JPG", "JPEG"), ("jp2", "JPEG2000"), ("avif", "AVIF")],
        *[("webp", "WEBP"), ("tif", "TIFF"), ("bmp", "BMP"), ("ppm", "PPM"), ("PNG", "PNG")],
    ],
)
def test_common_formats_are_read(photos, suffix, kind):
    put(photos, *of(""))
    Image.new("L", (8, 8), 200).convert("RGB").save(photos / f"dog/9.{suffix}", kind)
    split = read(photos, channels=3)["test"]
    assert len(split) == 7
    name, level = contents(split)[f"dog/9.{suffix}"]
    assert name == "dog"
    assert abs(level - 200) <= 2
    assert split.notices == ()
    assert str(photos / f"dog/9.{suffix}") in source_files(entry(photos))


def test_what_is_passed_over_is_told(photos):
    put(photos, *of(""))
    for name in ("cat/a.heic", "dog/b.heic", "dog/notes.txt"):
        (photos / name).write_bytes(b"ftypheic")
    split = read(photos)["test"]
    assert_true(split, of(""))
    assert split.notices == (
        f"{photos}: 3 of 9 files passed over (not images that Foolflow reads), the first is {photos}/cat/a.heic",
    )
    assert len(source_files(entry(photos))) == 6
    Image.new("L", (8, 8)).save(photos / "loose.png")
    assert any("in no class folder" in line and "loose.png" in line for line in read(photos)["test"].notices)


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tif"])
def test_animations_and_files_with_pages_are_passed_over(photos, kind):
    put(photos, *of(""))
    frames = [Image.new("L", (8, 8), level) for level in (0, 100, 200)]
    frames[0].save(photos / f"cat/film.{kind}", save_all=True, append_images=frames[1:])
    split = read(photos)["test"]
    assert_true(split, of(""))
    (line,) = split.notices
    assert f"1 of 7 files passed over (several frames or pages), the first is {photos}/cat/film.{kind}" in line


def test_a_class_without_images(photos):
    put(photos, *of("", count=9))
    (photos / "emu").mkdir()
    (photos / "emu/1.heic").write_bytes(b"")
    split = read(photos)["test"]
    assert split.class_names == ("cat", "dog", "emu")
    assert any("1 of 3 classes without images" in line for line in split.notices)
    refused(photos, "no images of the class 'emu'", val=4, test=4)


def test_no_images_at_all(photos):
    for name in LEVELS:
        (photos / name).mkdir(parents=True)
        (photos / name / "1.heic").write_bytes(b"")
    refused(photos, "no images in the class folders", ".png")


def test_numbered_classes_in_the_order_of_text_are_told(photos):
    for number in range(12):
        (photos / str(number)).mkdir(parents=True)
        Image.new("L", (8, 8), number).save(photos / str(number) / "0.png")
    split = read(photos)["test"]
    assert split.class_names[:4] == ("0", "1", "10", "11")
    assert {
        split.class_names[label]: int(image[0, 0, 0]) for label, image in zip(split.labels, split.images, strict=True)
    } == {str(number): number for number in range(12)}
    (line,) = split.notices
    assert "sorted as text: 0, 1, 10, 11, 2" in line


def test_the_first_images_cover_the_classes(photos):
    put(photos, *of("", count=30))
    first = read(photos)["test"].labels[:10].tolist()
    assert set(first) == {0, 1}
    assert first == read(photos)["test"].labels[:10].tolist()
    shutil.rmtree(photos)
    put(photos, *of("train/", count=8), *of("test/", count=30))
    assert set(read(photos, val=4)["test"].labels[:10].tolist()) == {0, 1}


def test_only_the_files_of_the_splits_are_inputs(photos):
    put(photos, *of("train/", "test/"))
    assert source_files(entry(photos)) == [str(photos / file) for file in of("test/")]
    assert sorted(source_files(entry(photos, val=2))) == sorted(str(photos / file) for file in of("train/", "test/"))


# ---- Sizes and channels -----------------------------------------------------------------------------------------


def test_images_of_different_sizes_are_refused_with_both_names(photos):
    put(photos, *of(""))
    put(photos, "dog/9.png", size=(10, 6))
    refused(photos, f"{photos}/cat/0.png is 8 x 8", f"{photos}/dog/9.png is 6 x 10", "set `size`")
    refused(photos, "after `resize`", f"{photos}/dog/9.png is 6 x 10", "set `crop`", resize=6)
    assert read(photos, resize=6, crop=6)["test"].images.shape == (7, 1, 6, 6)
    assert read(photos, size=[4, 6])["test"].images.shape == (7, 1, 4, 6)


def test_images_that_are_not_square(photos):
    put(photos, *of(""), size=(10, 6))
    split = read(photos)["test"]
    assert split.images.shape == (6, 1, 6, 10)
    assert split.shape == {"channels": 1, "size": [6, 10], "classes": 2}
    assert read(photos, size=5)["test"].shape == {"channels": 1, "size": 5, "classes": 2}


def test_channels_follow_the_images_unless_they_are_given(photos):
    put(photos, *of(""))
    assert read(photos)["test"].images.shape[1] == 1
    Image.new("RGB", (8, 8), (200, 0, 0)).save(photos / "dog/red.png")
    split = read(photos)["test"]
    row = split.files.index("dog/red.png")
    assert split.images[row, :, 0, 0].tolist() == [200, 0, 0]
    assert split.images[split.files.index("cat/0.png"), :, 0, 0].tolist() == [10, 10, 10]
    assert read(photos, channels=1)["test"].images[row].max() == (200 * 19595 + 2**15) >> 16


def test_small_images_are_padded_as_by_torchvision_and_told(photos):
    put(photos, *of(""))
    split = read(photos, crop=[12, 8])["test"]
    assert split.images.shape == (6, 1, 12, 8)
    assert np.unique(split.images[:, 0, :2]).tolist() == np.unique(split.images[:, 0, -2:]).tolist() == [0]
    assert [line for line in split.notices if "`crop` added black borders to 6 of 6 images" in line]


def test_how_much_size_cuts_off_is_told(photos):
    put(photos, *of(""), size=(100, 60))
    (line,) = read(photos, size=30)["test"].notices
    assert line.endswith("`size` cut up to 40 % off 6 of 6 images, unlike torchvision's Resize((h, w)), which distorts")
    assert read(photos, size=[30, 49])["test"].notices == read(photos, resize=30, crop=30)["test"].notices == ()


# ---- Errors -----------------------------------------------------------------------------------------------------


def test_errors_name_the_bad_folder_or_file(photos):
    put(photos, *of(""))
    refused(photos / "nowhere", "is not a folder")
    (photos / "cat/0.png").write_bytes(b"no image")
    refused(photos, "cat/0.png is not a readable image")


def test_16_bit_images_are_rejected_rather_than_clipped(photos):
    put(photos, *of(""))
    Image.fromarray(np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)).save(photos / "cat/deep.png")
    refused(photos, "deep.png has more than 8 bits")


def test_an_image_that_would_become_too_large_is_refused(photos):
    put(photos, *of(""))
    Image.new("L", (30_000, 1)).save(photos / "cat/line.png")
    refused(photos, "cat/line.png is 1 x 30000 pixels and would become 256 x 7680000", resize=256, crop=224)
