import numpy as np
import pytest
from safetensors.numpy import save_file

from foolflow.data.adversarial import REQUIRED, AdversarialSet, load_set
from foolflow.errors import InvalidInput
from tests.saving import save_set


def tensors(count):
    generator = np.random.default_rng(0)
    return {
        "images": generator.random((count, 1, 4, 4), np.float32),
        "index": np.arange(count)[::-1].copy(),
        "epsilon": np.full(count, np.nan),
        "target": np.full(count, -1),
        "iterations": np.ones(count, np.int64),
        "gradient_evaluations": np.ones(count, np.int64),
        "flow": generator.random((count, 2, 4, 4), np.float32).transpose(0, 1, 3, 2),  # not contiguous
    }


@pytest.mark.parametrize("count", [0, 3])
def test_a_set_survives_saving_and_loading(tmp_path, count):
    made = AdversarialSet(tensors(count))
    save_set(tmp_path / "attacks/deep/adversarial.safetensors", made)
    found = load_set(tmp_path / "attacks/deep/adversarial.safetensors")
    assert len(found) == len(made) == count
    assert set(found.tensors) == set(made.tensors)
    for name, tensor in made.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype


def test_details_are_the_tensors_that_not_every_attack_has():
    assert list(AdversarialSet(tensors(2)).details) == ["flow"]


def test_equal_sets_give_equal_files(tmp_path):
    for name in ("a", "b"):
        save_set(tmp_path / name, AdversarialSet(tensors(3)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_file_without_a_required_tensor_gives_a_one_line_error(tmp_path, missing):
    path = tmp_path / "adversarial.safetensors"
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors(2).items() if name != missing}, path)
    with pytest.raises(InvalidInput, match=f"^{path} is not an adversarial set: it has no {missing}; run the attack"):
        load_set(path)


def test_a_missing_or_damaged_file_gives_a_one_line_error(tmp_path):
    path = tmp_path / "adversarial.safetensors"
    with pytest.raises(InvalidInput, match=f"^{path} is missing; run the rule that makes it$"):
        load_set(path)
    path.write_text("damaged")
    with pytest.raises(InvalidInput, match=f"^{path} is not a safetensors file"):
        load_set(path)


def test_tensors_of_different_lengths_give_a_one_line_error(tmp_path):
    path = tmp_path / "adversarial.safetensors"
    save_set(path, AdversarialSet(tensors(2) | {"flow_loss": np.zeros(3)}))
    with pytest.raises(InvalidInput, match=r"rows are missing \(.*images \(2, 1, 4, 4\).*\); run the attack again$"):
        load_set(path)
