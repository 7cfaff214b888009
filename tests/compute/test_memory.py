import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foolflow.compute.memory import as_memory_allows
from foolflow.compute.prediction import in_batches
from foolflow.errors import InvalidInput


def no_more_than(most):
    def attempt(batch):
        if len(batch) > most:
            raise MemoryError
        return list(batch)

    return attempt


@given(count=st.integers(1, 200), most=st.integers(1, 200))
def test_the_parts_are_the_batch_in_its_order_and_none_is_too_large(count, most):
    said = []
    parts = as_memory_allows(no_more_than(most), range(count), said.append)
    assert [row for part in parts for row in part] == list(range(count))
    assert bool(said) == (count > most)


def test_what_does_not_fit_at_all_is_one_line():
    with pytest.raises(InvalidInput, match=r"^a single image does not fit in memory [^\n]*$"):
        as_memory_allows(no_more_than(0), range(4), lambda _: None)


def test_another_error_is_not_taken_for_a_lack_of_memory():
    tried = []

    def attempt(batch):
        tried.append(batch)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        as_memory_allows(attempt, range(4), lambda _: None)
    assert tried == [range(4)]


@given(count=st.integers(0, 12), batch_size=st.integers(1, 5))
def test_batches_are_the_images_in_their_order(count, batch_size):
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None]
    batches = in_batches(lambda batch: batch * 255, images, torch.device("cpu"), batch_size)
    assert all(len(batch) <= batch_size for batch in batches)
    assert torch.cat(batches).round().flatten().tolist() == list(range(count))
