import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foolflow.data.divide import divide
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput

ENTRY = {"source": "digits"}


def numbered(count: int, classes: int = 4) -> Split:
    """Return images whose pixels encode their number, so that each can be traced."""
    images = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 1, 2, 2)
    return Split(images, np.arange(count) % classes, tuple("abcdefgh"[:classes]))


def numbers(split: Split) -> list[int]:
    return np.ascontiguousarray(split.images).reshape(len(split), 4).view(np.uint32).ravel().tolist()


@given(count=st.integers(60, 300), val=st.integers(8, 20), test=st.integers(8, 20), seed=st.integers(0, 2**40))
@settings(max_examples=50)
def test_every_image_goes_to_one_split_and_keeps_its_label(count, val, test, seed):
    whole = numbered(count)
    parts = divide({"train": whole}, ENTRY | {"val": val, "test": test}, seed)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [count - val - test, val, test]
    everything = [number for part in parts.values() for number in numbers(part)]
    assert sorted(everything) == list(range(count))
    for part in parts.values():
        assert part.labels.tolist() == [number % 4 for number in numbers(part)]
        assert np.ptp(np.bincount(part.labels, minlength=4)) <= 2  # classes in proportion


def test_test_images_of_the_source_become_the_test_split():
    test = numbered(12)
    parts = divide({"train": numbered(100), "test": test}, ENTRY | {"val": 20}, 0)
    assert numbers(parts["test"]) == numbers(test)
    assert len(parts["train"]) == 80


def test_without_val_images_all_others_are_for_evaluation():
    whole, test = numbered(100), numbered(12)
    (split,) = divide({"train": whole}, ENTRY, 0).values()
    assert numbers(split) == numbers(whole)
    assert divide({"train": whole, "test": test}, ENTRY, 0).keys() == {"test"}
    assert numbers(divide({"train": whole, "test": test}, ENTRY, 0)["test"]) == numbers(test)


def test_val_images_of_the_source_become_the_val_split():
    parts = divide({"train": numbered(100), "val": numbered(8), "test": numbered(12)}, ENTRY, 0)
    assert [numbers(parts[name]) for name in ("train", "val", "test")] == [list(range(n)) for n in (100, 8, 12)]
    parts = divide({"train": numbered(100), "val": numbered(8)}, ENTRY | {"test": 12}, 0)
    assert numbers(parts["val"]) == list(range(8))
    assert sorted(numbers(parts["train"]) + numbers(parts["test"])) == list(range(100))


def test_one_class_is_enough_for_evaluation_but_not_for_training():
    one = numbered(20, classes=1)
    assert len(divide({"train": one}, ENTRY, 0)["test"]) == 20
    with pytest.raises(InvalidInput, match="all images are of one class, 'a'"):
        divide({"train": one}, ENTRY | {"val": 4, "test": 4}, 0)


def test_the_seed_determines_the_split():
    first, again, other = (
        numbers(divide({"train": numbered(200)}, ENTRY | {"val": 40, "test": 40}, seed)["val"]) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_too_few_images_give_a_one_line_error():
    with pytest.raises(InvalidInput, match=r"^test: 200 of 100 images cannot be set aside"):
        divide({"train": numbered(100)}, ENTRY | {"val": 10, "test": 200}, 0)


def test_a_source_without_test_images_needs_a_number_of_them():
    with pytest.raises(InvalidInput, match="set `test` to the number of images to set aside"):
        divide({"train": numbered(100)}, ENTRY | {"val": 10}, 0)


@pytest.mark.parametrize("source", ["folder", "npz"])
def test_the_users_images_are_shuffled(source):
    """Even if they are sorted by class on disk, the first images of a split cover every class."""
    whole = numbered(400)
    by_class = whole.take(np.argsort(whole.labels, kind="stable"))
    parts = divide({"train": by_class}, {"source": source, "val": 80, "test": 80}, 0)
    assert set(parts["test"].labels[:20].tolist()) == {0, 1, 2, 3}
    published = divide({"train": by_class, "test": by_class}, {"source": "mnist", "val": 80}, 0)["test"]
    assert numbers(published) == numbers(by_class)
