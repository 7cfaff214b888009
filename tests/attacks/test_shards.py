import numpy as np
import pytest
import torch

from foolflow.attacks import running
from foolflow.attacks.judging import classify, judge
from foolflow.attacks.shards import gather, share
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput
from foolflow.jobs.progress import EVERY, Progress
from tests.saving import run_attack

ATTACKS = {
    "sweep": {"method": "pgd", "parameters": {"epsilon": [0.05, 0.2], "steps": 3, "restarts": 2}, "batch_size": 12},
    "details": {"method": "stadv", "parameters": {"tau": 0.01, "steps": 8, "restarts": 0}, "batch_size": 12},
    "targets": {"method": "fgsm", "targets": "random", "parameters": {"epsilon": 0.1}, "batch_size": 25},
}

CPU = torch.device("cpu")


class Divided:
    """One attack on 60 images, undivided and in shards. Each number of shards runs once."""

    def __init__(self, trained, entry, file):
        images = (trained.images[:60] * 255).round().to(torch.uint8)
        self.split = Split(images.numpy(), trained.labels[:60].numpy(), tuple("0123456789"))
        self.model, self.entry, self.file, self.made = trained.model, entry, file, {}
        self.epsilons = 2 if isinstance(entry["parameters"].get("epsilon"), list) else 1
        running.run_attack(trained.model, self.split, entry, CPU, file)

    def parts(self, shards):
        if shards not in self.made:
            one = lambda part: run_attack(self.model, self.split, self.entry, CPU, shard=(part, shards))  # noqa: E731
            self.made[shards] = [one(part) for part in range(shards)]
        return self.made[shards]


@pytest.fixture(scope="module", params=ATTACKS.values(), ids=ATTACKS)
def divided(request, trained, tmp_path_factory):
    return Divided(trained, request.param, tmp_path_factory.mktemp("whole") / "whole.safetensors")


@pytest.mark.parametrize("shards", [2, 5, 9])
def test_gathered_shards_equal_an_undivided_run(divided, tmp_path, shards):
    gather(divided.parts(shards), divided.epsilons, tmp_path / "gathered.safetensors")
    assert (tmp_path / "gathered.safetensors").read_bytes() == divided.file.read_bytes()


@pytest.mark.parametrize("ends", [(3, 9), (1, 2, 9), (4, 5, 6, 9)])
def test_groups_of_shards_gather_to_the_same_file(divided, tmp_path, ends):
    """Of nine shards, at least four have no image, and so have some of the groups."""
    groups = [
        gather(divided.parts(9)[first:end], divided.epsilons, tmp_path / f"{first}.safetensors")
        for first, end in zip((0, *ends), ends, strict=False)
    ]
    gather(groups, divided.epsilons, tmp_path / "gathered.safetensors")
    assert (tmp_path / "gathered.safetensors").read_bytes() == divided.file.read_bytes()


@pytest.mark.parametrize("count", [0, 1, 4, 7])
@pytest.mark.parametrize("parts", [1, 2, 3, 10])
def test_every_batch_is_in_one_share_and_sizes_differ_by_at_most_one(count, parts):
    shares = [share(range(count), part, parts) for part in range(parts)]
    assert [batch for taken in shares for batch in taken] == list(range(count))
    sizes = [len(taken) for taken in shares]
    assert max(sizes) - min(sizes) <= 1


class Noisy(torch.nn.Module):
    """A victim that draws random numbers in each forward pass."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images + 0.1 * torch.randn_like(images))


@pytest.mark.parametrize("shards", [2, 4])
def test_a_random_victim_draws_the_same_numbers_in_every_division(trained, tmp_path, shards):
    images = (trained.images[:40] * 255).round().to(torch.uint8)
    split = Split(images.numpy(), trained.labels[:40].numpy(), tuple("0123456789"))
    victim, cpu = Noisy(trained.model), torch.device("cpu")
    entry = {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 5}, "batch_size": 10}
    clean = classify(victim, images, cpu)
    torch.manual_seed(1)
    whole = run_attack(victim, split, entry, cpu)
    torch.manual_seed(2)  # nothing may depend on the caller's generator
    parts = [run_attack(victim, split, entry, cpu, shard=(part, shards)) for part in reversed(range(shards))]
    gathered = gather(parts[::-1], 1, tmp_path / "gathered.safetensors")
    for name, tensor in whole.tensors.items():
        assert np.array_equal(gathered.tensors[name], tensor, equal_nan=tensor.dtype.kind == "f"), name
    records = [judge(victim, split, clean, made, cpu) for made in (whole, gathered)]
    assert records[0].equals(records[1])


def test_predictions_of_a_random_victim_do_not_depend_on_a_failed_attempt(trained):
    """The first attempt at a batch may draw numbers before memory runs out."""
    images, cpu = trained.images[:20], torch.device("cpu")

    class Failing(Noisy):
        def forward(self, images):
            noisy = super().forward(images)
            if len(images) > 10:
                raise MemoryError
            return noisy

    halved = classify(Failing(trained.model), images, cpu)
    first = classify(Noisy(trained.model), images[:10], cpu)
    assert torch.equal(halved.logits[:10], first.logits)


def test_large_sets_whose_distances_do_not_count_are_stored_in_8_bits_and_judged_as_stored(trained, monkeypatch):
    monkeypatch.setattr("foolflow.data.adversarial.LARGE_IMAGE", 100)
    monkeypatch.setattr("foolflow.data.adversarial.LARGE_SET", 4 * 784 * 29)
    images = (trained.images[:30] * 255).round().to(torch.uint8)
    split = Split(images.numpy(), trained.labels[:30].numpy(), tuple("0123456789"))
    cpu = torch.device("cpu")
    for counts in ({"method": "deepfool"}, {"method": "fgsm", "parameters": {"epsilon": 0.03}}):
        assert run_attack(trained.model, split, counts, cpu).stored == "float32"
    entry = {"method": "stadv", "parameters": {"tau": 0.02, "steps": 20, "restarts": 0}}
    made = run_attack(trained.model, split, entry, cpu)
    assert made.stored == "uint8"
    assert run_attack(trained.model, split, entry | {"images": 29}, cpu).stored == "float32"
    monkeypatch.setattr("foolflow.data.adversarial.LARGE_SET", 2**30)
    exact = run_attack(trained.model, split, entry, cpu)
    assert np.abs(made.images(slice(None)) - exact.images(slice(None))).max() <= 0.5 / 255 + 1e-6
    clean = classify(trained.model, images, cpu)
    stored, precise = (judge(trained.model, split, clean, one, cpu) for one in (made, exact))
    assert stored["success"].tolist() == stored["success_8bit"].tolist() == precise["success_8bit"].tolist()
    assert precise["success"].any()
    levels = stored["linf"] * 255
    assert (levels - levels.round()).abs().max() < 1e-3


def test_a_killed_attack_leaves_no_file(trained, tmp_path):
    images = (trained.images[:30] * 255).round().to(torch.uint8)
    split = Split(images.numpy(), trained.labels[:30].numpy(), tuple("0123456789"))
    file = tmp_path / "mine.py"
    file.write_text(  # it fails in the third batch
        "from pathlib import Path\n\ndef attack(model, images, labels):\n"
        "    calls = Path(__file__).with_name('calls')\n"
        "    calls.write_text((calls.read_text() if calls.exists() else '') + 'x')\n"
        "    assert len(calls.read_text()) < 3\n    return images\n"
    )
    with pytest.raises(InvalidInput, match="attack"):
        running.run_attack(
            trained.model,
            split,
            {"python": f"{file}:attack", "batch_size": 10},
            torch.device("cpu"),
            tmp_path / "set.safetensors",
        )
    assert (tmp_path / "calls").read_text() == "xxx"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["calls", "mine.py"]


def test_progress_advances_within_a_batch(trained, monkeypatch):
    monkeypatch.setitem(EVERY, "log", 0.0)
    lines = []
    images = (trained.images[:30] * 255).round().to(torch.uint8)
    split = Split(images.numpy(), trained.labels[:30].numpy(), tuple("0123456789"))
    entry = {"method": "pgd", "parameters": {"epsilon": 0.01, "steps": 20}, "batch_size": 15}
    run_attack(trained.model, split, entry, torch.device("cpu"), progress=Progress("pgd", "batches", lines.append))
    done = [float(line.split()[1]) for line in lines]
    assert done == sorted(done)
    assert any(0.2 < value < 0.8 for value in done)
    assert done[-1] == 2
