"""Each case of the tables beside this file is run here: one clear line, a non-zero exit, and results as they were."""

import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from foolflow.data.splits import Split, save_split
from foolflow.models.victims import build_victim, save_victim
from tests.conftest import ROOT

SIZE, CLASSES = 8, 4
SHAPE = {"channels": 1, "size": SIZE, "classes": CLASSES}
EXECUTED = "executed"  # a file that appears in the site if code out of a data file is run
MODEL = {"architecture": "mlp.MLP", "training": {"epochs": 1, "precision": "float32"}}
FGSM = {"method": "fgsm", "parameters": {"epsilon": 0.1}}


@dataclass(frozen=True)
class Site:
    """A folder with some results in it, a victim and an attack on it among them, each file at its usual place."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def data(self) -> Path:
        return self.results / "data/tiny"

    @property
    def victim(self) -> Path:
        return self.results / "victims/tiny/mlp/none/0"

    @property
    def attack(self) -> Path:
        return self.results / "attacks/tiny/mlp/none/0/fgsm"

    @property
    def weights(self) -> Path:
        return self.victim / "weights.safetensors"

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    @property
    def judgement(self) -> Path:
        return self.results / "judgements/study/tiny/mlp/none/0"

    # What the rules would call, with every output where a former one lies.

    def split(self, dataset: dict, raw: Path | None = None) -> list:
        spec = {"name": "tiny", "dataset": dataset}
        outputs = [
            word for part in ("train", "val", "test") for word in (f"--{part}", self.data / f"{part}.safetensors")
        ]
        return ["split", "--spec", json.dumps(spec), "--raw", raw or self.folder, *outputs]

    def train(self, **model: Any) -> list:
        spec = {"name": "victims/tiny/mlp/none/0", "model": MODEL | model, "defense": {}}
        if "python" in model:
            spec["model"] = {key: value for key, value in spec["model"].items() if key != "architecture"}
        inputs = ["--train", self.data / "train.safetensors", "--val", self.data / "val.safetensors"]
        outputs = ["--weights", self.weights, "--history", self.victim / "history.csv"]
        outputs += ["--training", self.victim / "training.json", "--checkpoint", self.victim / "checkpoint.safetensors"]
        return ["train", "--spec", json.dumps(spec), *inputs, *outputs, "--device", "cpu"]

    def run_attack(self, attack: dict | None = None, device: str = "cpu", **spec: Any) -> list:
        spec = {"attack": attack or FGSM, "model": MODEL, "defense": {}} | spec
        inputs = ["--images", self.data / "test.safetensors", "--weights", self.weights]
        outputs = ["--adversarial", self.attack / "adversarial.safetensors", "--run", self.attack / "run.json"]
        return ["attack", "--spec", json.dumps(spec), *inputs, *outputs, "--device", device]

    def attack_shard(self, number: int) -> list:
        folder = self.attack / f"shards/{number}_of_2"
        program, *call = self.run_attack(FGSM | {"batch_size": 10})
        outputs = ["--adversarial", folder / "adversarial.safetensors", "--run", folder / "run.json"]
        return [program, *call, *outputs, "--shard", number, "--shards", 2]

    def gather(self) -> list:
        inputs = ["--images", self.data / "test.safetensors", "--weights", self.weights]
        outputs = ["--adversarial", self.attack / "adversarial.safetensors", "--run", self.attack / "run.json"]
        shards = ["--folder", self.attack / "shards", "--shards", 2]
        return ["gather_attack", "--spec", json.dumps({"attack": FGSM}), *inputs, *shards, *outputs]

    def judge(self, **spec: Any) -> list:
        """The victim judges the adversarial set, after the clean images."""
        spec = {"model": MODEL, "defense": {}, "sets": [{"attack": "fgsm", "source": "mlp/none"}]} | spec
        inputs = ["--test", self.data / "test.safetensors", "--weights", self.weights]
        inputs += ["--sets", self.attack / "adversarial.safetensors"]
        outputs = ["--records", self.judgement / "records.parquet", "--accuracy", self.judgement / "accuracy.json"]
        return ["judge", "--spec", json.dumps(spec), *inputs, *outputs, "--device", "cpu"]

    def export(self) -> list:
        inputs = ["--images", self.data / "test.safetensors"]
        inputs += ["--adversarial", self.attack / "adversarial.safetensors"]
        return ["export_images", "--spec", '{"epsilon": 0.1}', *inputs, "--folder", self.results / "datasets/tiny"]

    def tabulate(self) -> list:
        cell = {"dataset": "tiny", "model": "mlp", "defense": "none", "seed": 0, "attack": "fgsm", "source": None}
        spec = {"board": {"name": "tiny", "dataset": "tiny"}, "attempts": [cell]}
        spec = [{"name": "tiny", "module": "leaderboard", "spec": spec}]
        inputs = ["--input", "judgements", self.judgement / "records.parquet"]
        files = (("--csv", "csv"), ("--markdown", "md"), ("--html", "html"))
        outputs = [word for option, suffix in files for word in (option, self.results / f"tables/tiny.{suffix}")]
        return ["tabulate", "--spec", json.dumps(spec), *inputs, *outputs]


@dataclass(frozen=True)
class Case:
    """One thing that is wrong.

    make: lays it out in the site; returns the call of a program, its name first.
    words: what the line has to say.
    apart: whether the program has a process of its own, as it has when Snakemake runs it.
    """

    name: str
    make: Callable[[Site], list]
    words: tuple[str, ...]
    apart: bool = False


def table(*cases: tuple) -> Any:
    """(name, make, words...) a line, for a test with the argument `case`. The first one has a process of its own; with
    the others that would cost minutes."""
    listed = [Case(name, make, tuple(words), apart=place == 0) for place, (name, make, *words) in enumerate(cases)]
    return pytest.mark.parametrize("case", listed, ids=[case.name for case in listed])


def run_inside(program: str, *arguments: Any) -> tuple[int, str]:
    """Exit status and all that the user sees. Within this process: PyTorch's import takes seconds."""
    seen = io.StringIO()
    code: Any = 0
    called = [f"scripts/{program}.py", *map(str, arguments)]
    with redirect_stdout(seen), redirect_stderr(seen), mock.patch.object(sys, "argv", called):
        try:
            runpy.run_module(f"scripts.{program}", run_name="__main__", alter_sys=False)
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    return (1, f"{seen.getvalue()}{code}\n") if isinstance(code, str) else (code or 0, seen.getvalue())


def run_apart(program: str, *arguments: Any, before: tuple = ()) -> tuple[int, str]:
    """The same in a process of its own, as Snakemake has it. before: a command that runs the rest."""
    command = [*before, sys.executable, ROOT / "scripts", program, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too. An empty folder is nobody's result."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(code: int, output: str, words: tuple[str, ...], start: str = "error: ") -> None:
    assert code not in (0, None), output
    assert "Traceback" not in output, output
    (line,) = (text for text in output.splitlines() if start in text)
    assert output.splitlines()[-1] == line, output
    assert line.startswith(start), output
    for word in words:
        assert word in line
    assert len(line) < 700


@pytest.fixture
def refused(site, tmp_path, monkeypatch) -> Callable[[Case], None]:
    """Runs a case, and asserts what every case has to end in."""

    def check(case: Case) -> None:
        monkeypatch.chdir(tmp_path)
        call = case.make(site)
        before = contents(site.results)
        code, output = run_apart(*call) if case.apart else run_inside(*call)
        assert_one_line(code, output, case.words)
        assert contents(site.results) == before
        assert not (site.folder / EXECUTED).exists(), "code out of a data file was executed"

    return check


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    site = Site(tmp_path_factory.mktemp("site"))
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("val", 16), ("test", 20)):
        images = generator.integers(0, 256, (count, 1, SIZE, SIZE), dtype=np.uint8)
        split = Split(images, np.arange(count) % CLASSES, ("a", "b", "c", "d"))
        save_split(site.data / f"{part}.safetensors", split)
    torch.manual_seed(0)
    save_victim(site.weights, build_victim(MODEL, {}, split.shape), model=MODEL, defense={}, shape=split.shape)
    (site.victim / "history.csv").write_text("epoch\n1\n")
    (site.victim / "training.json").write_text("{}\n")
    shards = (site.attack_shard(number) for number in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(site.folder)
        for call in (site.run_attack(), *shards, site.gather(), site.judge(), site.export(), site.tabulate()):
            code, output = run_inside(*call)
            assert code == 0, output
    return site.folder


@pytest.fixture
def site(made_once, tmp_path) -> Site:
    shutil.copytree(made_once, tmp_path / "site")
    return Site(tmp_path / "site")
