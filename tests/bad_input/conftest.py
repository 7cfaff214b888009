"""Run the cases of the tables in this folder: each gives one clear line, a non-zero exit, and unchanged results."""

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

from foolflow.data.sources import SPLITS
from foolflow.data.splits import Split
from foolflow.models.victims import build_victim, save_victim
from tests.conftest import ROOT
from tests.saving import save_split

SIZE, CLASSES = 8, 4
SHAPE = {"channels": 1, "size": SIZE, "classes": CLASSES}
EXECUTED = "executed"  # a file that appears in the site if code from a data file is executed
MODEL = {"architecture": "mlp.MLP", "training": {"epochs": 1, "precision": "float32"}}
FGSM = {"method": "fgsm", "parameters": {"epsilon": 0.1}}


@dataclass(frozen=True)
class Site:
    """A folder with the results of a small run, including a victim and an attack, each file at its usual path."""

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

    # The calls that the rules make. Each output already exists.

    def split(self, dataset: dict, raw: Path | None = None, splits: tuple[str, ...] = SPLITS) -> list:
        spec = {"name": "tiny", "dataset": dataset}
        outputs = [self.data / f"{part}.safetensors" for part in splits]
        return ["split", "--spec", json.dumps(spec), "--raw", raw or self.folder, "--splits", *outputs]

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
        outputs += ["--provenance", folder / "provenance.json"]
        return [program, *call, *outputs, "--shard", number, "--shards", 2]

    def gather(self) -> list:
        inputs = ["--images", self.data / "test.safetensors", "--weights", self.weights]
        outputs = ["--adversarial", self.attack / "adversarial.safetensors", "--run", self.attack / "run.json"]
        parts = ["--parts", *(self.attack / f"shards/{number}_of_2" for number in range(2))]
        return ["gather_attack", "--spec", json.dumps({"attack": FGSM}), *inputs, *parts, *outputs]

    def judge(self, **spec: Any) -> list:
        """Judge the adversarial set with the victim, after the clean images."""
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
        files = (("--csv", "csv"), ("--markdown", "md"), ("--html", "html"), ("--page", "json"))
        outputs = [word for option, suffix in files for word in (option, self.results / f"tables/tiny.{suffix}")]
        return ["tabulate", "--spec", json.dumps(spec), *inputs, *outputs]


class Executes:
    """Creates a file when unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@dataclass(frozen=True)
class Case:
    """One invalid input.

    make: prepares the site and returns the call of a program, which starts with its name.
    words: texts that the error line must contain.
    apart: whether the program runs in a separate process, as it does under Snakemake.
    """

    name: str
    make: Callable[[Site], list]
    words: tuple[str, ...]
    apart: bool = False


def table(*cases: tuple) -> Any:
    """Parametrise a test with the argument `case`. Each line is (name, make, words...).

    Only the first case runs in a separate process. Doing so for all of them would take minutes.
    """
    listed = [Case(name, make, tuple(words), apart=index == 0) for index, (name, make, *words) in enumerate(cases)]
    return pytest.mark.parametrize("case", listed, ids=[case.name for case in listed])


def run_inside(program: str, *arguments: Any) -> tuple[int, str]:
    """Return the exit status and the output. Run in this process, because importing PyTorch takes seconds."""
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
    """Do the same in a separate process, as Snakemake does. before: a command that runs the rest."""
    command = [*before, sys.executable, ROOT / "scripts", program, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, including hidden files. Empty folders do not count."""
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
    """Return a function that runs a case and checks the line, the exit status and the results."""

    def check(case: Case) -> None:
        monkeypatch.chdir(tmp_path)
        call = case.make(site)
        before = contents(site.results)
        code, output = run_apart(*call) if case.apart else run_inside(*call)
        assert_one_line(code, output, case.words)
        assert contents(site.results) == before
        assert not (site.folder / EXECUTED).exists(), "code from a data file was executed"

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
