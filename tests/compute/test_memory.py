import weakref
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foolflow.compute.memory import in_halves_if_needed
from foolflow.compute.prediction import in_batches
from foolflow.errors import InvalidInput


def fits_at_most(limit):
    def attempt(batch):
        if len(batch) > limit:
            raise MemoryError
        return list(batch)

    return attempt


@given(count=st.integers(1, 200), limit=st.integers(1, 200))
def test_parts_cover_the_batch_in_order_and_fit_in_memory(count, limit):
    reported = []
    parts = in_halves_if_needed(fits_at_most(limit), range(count), reported.append)
    assert [row for part in parts for row in part] == list(range(count))
    assert bool(reported) == (count > limit)


def test_the_memory_of_a_failed_attempt_is_free_before_the_next():
    tried = []

    def attempt(batch):
        assert all(reference() is None for reference in tried)
        tensor = torch.zeros(len(batch))
        tried.append(weakref.ref(tensor))
        if len(batch) > 2:
            raise MemoryError

    in_halves_if_needed(attempt, range(8), lambda _: None)
    assert len(tried) == 7


def test_a_single_image_that_does_not_fit_gives_a_one_line_error():
    with pytest.raises(InvalidInput, match=r"^a single image does not fit in memory [^\n]*$"):
        in_halves_if_needed(fits_at_most(0), range(4), lambda _: None)


def test_other_errors_are_not_treated_as_out_of_memory():
    tried = []

    def attempt(batch):
        tried.append(batch)
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves_if_needed(attempt, range(4), lambda _: None)
    assert tried == [range(4)]


@given(count=st.integers(0, 12), batch_size=st.integers(1, 5))
def test_batches_cover_the_images_in_order(count, batch_size):
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None]
    with mock.patch("foolflow.compute.prediction.BATCH_SIZE", batch_size):
        batches = in_batches(lambda batch: batch * 255, images, torch.device("cpu"))
    assert all(len(batch) <= batch_size for batch in batches)
    assert torch.cat(batches).round().flatten().tolist() == list(range(count))
