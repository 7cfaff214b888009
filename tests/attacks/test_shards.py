import numpy as np
import pytest
import torch

from foolflow.attacks.running import run_attack
from foolflow.attacks.shards import gather, share
from foolflow.data.splits import Split

ATTACKS = {
    "sweep": {"method": "pgd", "parameters": {"epsilon": [0.05, 0.2], "steps": 3, "restarts": 2}, "batch_size": 12},
    "details": {"method": "stadv", "parameters": {"tau": 0.01, "max_evaluations": 20}, "batch_size": 12},
    "targets": {"method": "fgsm", "targets": "random", "parameters": {"epsilon": 0.1}, "batch_size": 25},
}


@pytest.mark.parametrize("entry", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("shards", [2, 5, 9])
def test_gathered_shards_equal_an_undivided_run(trained, entry, shards):
    images = (trained.images[:60] * 255).round().to(torch.uint8)
    split = Split(images.numpy(), trained.labels[:60].numpy(), tuple("0123456789"))
    cpu = torch.device("cpu")
    whole = run_attack(trained.model, split, entry, cpu)
    parts = [run_attack(trained.model, split, entry, cpu, shard=(part, shards)) for part in range(shards)]
    gathered = gather(parts, epsilons=2 if isinstance(entry["parameters"].get("epsilon"), list) else 1)
    assert set(gathered.tensors) == set(whole.tensors)
    for name, tensor in whole.tensors.items():
        assert np.array_equal(gathered.tensors[name], tensor, equal_nan=tensor.dtype.kind == "f"), name
        assert gathered.tensors[name].dtype == tensor.dtype, name


@pytest.mark.parametrize("count", [0, 1, 4, 7])
@pytest.mark.parametrize("parts", [1, 2, 3, 10])
def test_every_batch_is_in_one_share_and_sizes_differ_by_at_most_one(count, parts):
    shares = [share(range(count), part, parts) for part in range(parts)]
    assert [batch for taken in shares for batch in taken] == list(range(count))
    sizes = [len(taken) for taken in shares]
    assert max(sizes) - min(sizes) <= 1
