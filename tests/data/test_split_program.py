"""The program that splits a data set says what it passed over, and needs no more memory than a slice of the images."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foolflow.data.splits import load_split
from tests.conftest import ROOT


def split(folder: Path, out: Path, *parts: str, **keys) -> subprocess.CompletedProcess:
    spec = {"name": "photos", "dataset": {"source": "folder", "path": str(folder)} | keys}
    command = [sys.executable, ROOT / "scripts", "split", "--spec", json.dumps(spec), "--raw", folder]
    command += ["--files", folder, "--splits", *(out / f"{part}.safetensors" for part in parts)]
    command += ["--log", out / "split.log", "--provenance", out / "splits.json"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def photos(tmp_path) -> Path:
    for number in range(12):
        file = tmp_path / f"photos/{'cat' if number % 2 else 'dog'}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(file)
    return tmp_path / "photos"


def test_notices_go_to_the_terminal_the_log_and_the_file(photos, tmp_path):
    (photos / "cat/a.heic").write_bytes(b"")
    (photos / "cat/.DS_Store").write_bytes(b"")
    done = split(photos, tmp_path / "out", "test")
    assert done.returncode == 0, done.stderr
    notice = f"{photos}: 1 of 13 files passed over (not images that Foolflow reads), the first is {photos}/cat/a.heic"
    assert done.stderr.splitlines() == [f"notice: {notice}"]
    assert f"notice: {notice}\n" in (tmp_path / "out/split.log").read_text()
    assert load_split(tmp_path / "out/test.safetensors").notices == (notice,)
    record = json.loads((tmp_path / "out/splits.json").read_text())
    assert len(record["external"]) == 12


def test_splits_that_the_rule_does_not_expect_are_refused(photos, tmp_path):
    done = split(photos, tmp_path / "out", "test", val=2, test=2)
    assert done.returncode == 1
    assert "datasets.photos: has train, val, test, not test; run snakemake again" in done.stderr
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_memory_does_not_grow_with_the_number_of_images(photos, tmp_path):
    """1,500 images of 3 x 224 x 224 are 226 MB."""
    small = split(photos, tmp_path / "small", "test", size=8)
    Image.fromarray(np.zeros((224, 224, 3), np.uint8)).save(photos / "cat/big.png")
    for number in range(1500):
        (photos / f"dog/{number}.png").unlink(missing_ok=True)
        (photos / f"dog/{number}.png").hardlink_to(photos / "cat/big.png")
    large = split(photos, tmp_path / "large", "test", size=224, channels=3)
    assert small.returncode == large.returncode == 0, small.stderr + large.stderr
    peaks = [
        int(re.search(r"peak memory ([\d,]+) MB", (tmp_path / name / "split.log").read_text())[1].replace(",", ""))
        for name in ("small", "large")
    ]
    assert peaks[1] - peaks[0] < 150
