"""Files that are read and written in slices are ordinary safetensors files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foolflow.data.tensors import TYPES, map_tensors, write_tensors


@settings(max_examples=30)
@given(
    rows=st.integers(0, 7),
    width=st.integers(0, 3),
    slices=st.integers(1, 4),
    kind=st.sampled_from(sorted(TYPES)),
)
def test_rows_written_in_slices_are_read_back_by_safetensors_and_by_us(tmp_path_factory, rows, width, slices, kind):
    path = tmp_path_factory.mktemp("tensors") / "file.safetensors"
    values = (np.arange(rows * width) % 2).reshape(rows, width).astype(TYPES[kind])
    labels = np.arange(rows, dtype=np.int64)
    with write_tensors(
        path, {"a": (values.dtype, values.shape), "labels": (np.int64, (rows,))}, {"names": "x"}
    ) as writer:
        for part in reversed(np.array_split(np.arange(rows), slices)):
            if len(part):
                writer.write("a", part[0], values[part])
                writer.write("labels", part[0], labels[part])
    mapped, metadata = map_tensors(path)
    for found in (load_file(path), mapped):
        np.testing.assert_array_equal(found["a"], values)
        np.testing.assert_array_equal(found["labels"], labels)
        assert found["a"].dtype == values.dtype
    assert metadata == {"names": "x"}


def test_what_safetensors_writes_is_mapped(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.uint8)}, path)
    mapped, metadata = map_tensors(path)
    assert isinstance(mapped["a"], np.memmap)
    assert mapped["a"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert metadata == {}


@pytest.mark.parametrize("rows", [np.zeros((1, 2), np.float64), np.zeros((1, 3), np.float32), np.zeros((4, 2), "f4")])
def test_rows_that_do_not_fit_are_rejected(tmp_path, rows):
    with (
        pytest.raises(ValueError, match="does not fit"),
        write_tensors(tmp_path / "file.safetensors", {"a": (np.float32, (3, 2))}) as writer,
    ):
        writer.write("a", 0, rows)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_an_error_of_safetensors(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({"a": np.ones((2, 3), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SafetensorError):
        map_tensors(path)
