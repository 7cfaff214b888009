"""Every target of the Makefile does what it says; on a small scale where the real one takes long.

`make demo` makes the demo of the other tests, and the gate calls `make lint` and `make test`.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from tests.end_to_end.conftest import make


def test_every_target_is_exercised_and_explained(root):
    """The tests call `make` with the target, here and in other files (chaos, slurm-demo); the gate calls two itself."""
    text = (root / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    sources = [path.read_text() for path in (root / "tests").rglob("*.py")]
    called = {name for source in sources for name in re.findall(r'\bmake\([\w.]+, "([a-z-]+)"', source)}
    called |= set(re.findall(r"^make ([a-z-]+)$", (root / ".ci/run").read_text(), re.MULTILINE))
    assert called == targets
    listed = make(root, "help").stdout
    assert all(re.search(rf"^{target} +\w", listed, re.MULTILINE) for target in targets)


def test_reproduce_plans_every_study(fresh, root):
    planned = make(fresh.folder, "reproduce", "ARGS=-n").stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    studies = yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8"))["studies"]
    assert {f"tabulate_{study}" for study in studies} <= jobs.keys()
    assert int(jobs["train_victim"]) > 20
    assert int(jobs["total"]) <= 1000


def test_verify_compares_with_a_manifest_and_with_todays_code(demo):
    same = make(demo.folder, "verify", "RESULTS=results/demo", "MANIFEST=results/demo/manifest.json")
    assert re.search(r"^(\d+) of \1 artefacts in results/demo match", same.stdout, re.MULTILINE)
    today = make(demo.folder, "verify", "RESULTS=results/demo")
    assert "every artefact in results/demo was produced by the current code" in today.stdout
    nowhere = make(demo.folder, "verify", "RESULTS=nowhere", ok=False)
    assert "error: --results: nowhere is not a folder" in nowhere.stderr


def test_bench_measures_our_attacks_and_writes_a_table_and_a_figure(fresh):
    small = "--victims lenet --images 20 --repeats 1 --threads 1 --device cpu --clock cpu --attacks fgsm"
    done = make(fresh.folder, "bench", f"ARGS={small}")
    folder = fresh.folder / "results/bench"
    table = pd.read_csv(folder / "bench.csv")
    assert (table["images_per_second"] > 0).all()
    assert set(table["attack"]) == {"FGSM 0.1"}
    assert set(table["victim"]) == {"LeNet, digits"}
    assert {"Foolflow", "image by image"} <= set(table["library"])
    assert (table["images"] == 20).all()
    assert (folder / "bench.md").read_text() in done.stdout
    assert Image.open(folder / "bench.png").size[0] > 300
    assert (folder / "bench.pdf").stat().st_size > 1000


@pytest.mark.parametrize("kept", [Path("results/mine.csv"), Path("results/victims/weights.safetensors")])
def test_clean_removes_the_demo_alone(fresh, kept):
    for path in (fresh.results / "manifest.json", fresh.folder / kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    make(fresh.folder, "clean")
    assert not fresh.results.exists()
    assert (fresh.folder / kept).exists()
