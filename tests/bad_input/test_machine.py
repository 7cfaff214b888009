"""Limits of the machine: a full disk, a read-only folder, too little memory, no GPU.

The full and the read-only disk are small disks in memory. They are mounted in a separate mount namespace, so they
always disappear when the script ends.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from foolflow.data.adversarial import load_set
from foolflow.data.reading import read_json
from foolflow.models.victims import build_victim, save_victim
from tests.bad_input.conftest import SHAPE, Case, Site, assert_one_line, contents, run_apart, run_inside, table

# In the namespace: move the results to a new disk, run the command, and copy the results that it leaves.
ON_ANOTHER_DISK = """
results=$1 options=$2 after=$3; shift 3
disk=$results.disk
mkdir "$disk" && mount -t tmpfs -o "${options%,ro}" none "$disk" && cp -a "$results/." "$disk" || exit 99
mount --move "$disk" "$results" || exit 99
case $options in *,ro) mount -o remount,ro "$results" || exit 99;; esac
"$@"; code=$?
cp -a "$results" "$after"; exit $code
"""
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture(scope="module")
def mounting() -> None:
    probe = [*NAMESPACE, "sh", "-c", 'mount -t tmpfs none "$0"', "/mnt"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")


@pytest.fixture
def on_disk(mounting, site, tmp_path, monkeypatch):
    """Return a function that runs a case with its results on a disk with the given mount options."""

    def check(case: Case, options: str) -> None:
        monkeypatch.chdir(tmp_path)
        call = case.make(site)
        before, after = contents(site.results), tmp_path / "after"
        code, output = run_apart(
            *call, before=(*NAMESPACE, "sh", "-c", ON_ANOTHER_DISK, "sh", site.results, options, after)
        )
        assert_one_line(code, output, case.words)
        assert contents(after) == before

    return check


def few_kilobytes_more(site: Site) -> str:
    """Return the options of a disk on which the results leave 64 KB free."""
    pages = sum(-(-path.stat().st_size // 4096) + 1 for path in site.results.rglob("*"))
    return f"size={pages * 4 + 64}k"


def splits(site: Site) -> list:
    """Split scikit-learn's digits, whose train split has almost a megabyte."""
    return site.split({"source": "digits", "val": 197, "test": 500})


def huge_attack(site: Site) -> list:
    """Run an attack at 120 epsilons, whose output has 600 KB."""
    epsilons = [number / 1000 for number in range(1, 121)]
    return site.run_attack({"method": "fgsm", "parameters": {"epsilon": epsilons}})


FULL = "cannot be written: No space left on device; free some space there or choose another folder"


@table(
    ("splits", splits, "data/tiny/train.safetensors", FULL),
    ("a training, at its first checkpoint", Site.train, "victims/tiny/mlp/none/0/checkpoint.safetensors", FULL),
    ("an attack", huge_attack, "fgsm/adversarial.safetensors", FULL),
)
def test_a_full_disk(on_disk, site, case):
    on_disk(case, few_kilobytes_more(site))


READ_ONLY = "cannot be written: Read-only file system; change its permissions or choose another folder"


@table(
    ("splits", splits, "data/tiny/train.safetensors", READ_ONLY),
    ("a training", Site.train, "victims/tiny/mlp/none/0/checkpoint.safetensors", READ_ONLY),
    ("an attack", Site.run_attack, "fgsm/adversarial.safetensors", READ_ONLY),
    ("a data set of images", Site.export, "datasets/tiny", READ_ONLY),
)
def test_a_read_only_folder(on_disk, case):
    on_disk(case, "size=64m,ro")


def in_the_way(name: str, call):
    """Put a file where a folder has to be."""

    def make(site: Site) -> list:
        shutil.rmtree(site.results / name)
        (site.results / name).write_text("")
        return call(site)

    return make


@table(
    ("splits", in_the_way("data/tiny", splits), "data/tiny/train.safetensors cannot be written: "),
    ("a data set of images", in_the_way("datasets", Site.export), "datasets/tiny cannot be written: Not a directory"),
)
def test_a_file_where_a_folder_has_to_be(refused, case):
    refused(case)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(refused, site):
    site.attack.chmod(0o500)
    try:
        refused(
            Case("no permission", Site.run_attack, ("adversarial.safetensors cannot be written: Permission denied",))
        )
    finally:
        site.attack.chmod(0o700)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(refused):
    refused(
        Case("no GPU", lambda site: site.run_attack(device="cuda"), ("device: cuda was asked for, but PyTorch sees",))
    )


NET = """
import torch
from torch import nn
class Net(nn.Sequential):
    def __init__(self, channels, size, classes, room):
        super().__init__(nn.Flatten(), nn.Linear(channels * size * size, classes))
        self.room = room
    def forward(self, images):
        needed = len(images) * (10 if images.requires_grad else 1)
        if needed > self.room:
            torch.empty(2**60, dtype=torch.uint8)  # more than any machine has
        return super().forward(images)
"""


def limited(site: Site, room: int, call: Callable[..., list] = Site.run_attack) -> list:
    """Run a job whose network has room for `room` images at once, or for a tenth of them with their gradients."""
    torch.manual_seed(0)
    entry = {"python": f"{site.write('net.py', NET)}:Net", "arguments": {"room": room}, "training": {"epochs": 1}}
    save_victim(site.weights, build_victim(entry, {}, SHAPE), model=entry, defense={}, shape=SHAPE)
    return call(site, model=entry)


HALVED = "20 images at once do not fit in memory; trying halves"


def test_a_batch_that_does_not_fit_in_memory_is_attacked_in_parts(site):
    made = []
    for room in (200, 60):
        code, output = run_inside(*limited(site, room))
        assert code == 0, output
        assert (HALVED in output) == (room == 60)
        made.append(load_set(site.attack / "adversarial.safetensors").tensors)
    whole, parts = made
    assert parts["index"].tolist() == whole["index"].tolist()
    assert parts["images"] == pytest.approx(whole["images"], abs=1e-6)


def test_a_batch_that_does_not_fit_in_memory_is_measured_in_parts(site):
    measured, confidences = [], []
    for room in (20, 6):
        code, output = run_inside(*limited(site, room, Site.judge))
        assert code == 0, output
        assert (HALVED in output) == (room == 6)
        measured.append(read_json(site.judgement / "accuracy.json"))
        records = pd.read_parquet(site.judgement / "records.parquet")
        confidences.append(records["clean_confidence"].to_numpy())
    assert measured[0] == measured[1]
    assert confidences[1] == pytest.approx(confidences[0], rel=1e-4)


@table(
    ("not even one image", partial(limited, room=9), "a single image does not fit in memory", "use a smaller network"),
)
def test_too_little_memory(refused, case):
    refused(case)


def no_memory(error: Exception):
    """Return a replacement for the function that loads the weights."""

    def load(*_, **__):
        raise error

    return load


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of 1 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("could not create a primitive"),  # oneDNN's
    ],
    ids=["Python", "NumPy", "CUDA", "PyTorch", "oneDNN"],
)
def test_out_of_memory_elsewhere(refused, monkeypatch, error):
    monkeypatch.setattr("foolflow.models.victims.load_victim", no_memory(error))
    refused(Case("no memory", Site.judge, ("out of memory (", "lower batch_size or use a machine with more memory")))


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), KeyError("x"), ZeroDivisionError()])
def test_an_internal_error_keeps_its_traceback(site, monkeypatch, error):
    """The traceback is needed to fix the error."""
    monkeypatch.setattr("foolflow.models.victims.load_victim", no_memory(error))
    code, output = run_inside(*site.judge())
    assert code == 1
    assert "Traceback" in output
    assert "error: " not in output
