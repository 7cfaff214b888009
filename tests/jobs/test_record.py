"""The record that a job writes about its outputs."""

import hashlib
import json
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from foolflow.jobs import record
from foolflow.jobs.record import PACKAGES, checksum, code_that_runs, is_recorded, write_record
from foolflow.workflow.code_digest import clear_cache, code_digest

CONFIG = {"model": {"architecture": "lenet.LeNet"}, "defense": {}}


@pytest.fixture
def job(tmp_path):
    """Return a job's inputs and outputs, in a results folder, with one input from outside it."""
    results = tmp_path / "results"
    for file in ("data/digits/train.safetensors", "victims/0/weights.safetensors", "victims/0/history.csv"):
        (results / file).parent.mkdir(parents=True, exist_ok=True)
        (results / file).write_text(file)
    (tmp_path / "mine.npz").write_text("mine")
    return {
        "code": "0123456789abcdef scripts.train foolflow.models.lenet",
        "config": CONFIG,
        "inputs": [results / "data/digits/train.safetensors", tmp_path / "mine.npz"],
        "outputs": [results / "victims/0/weights.safetensors", results / "victims/0/history.csv"],
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results/provenance/victims/0.json"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def now(job):
    """Return the job with the checksums that its inputs have now."""
    return job | {"inputs": {file: checksum(file) for file in job["inputs"]}}


def written(path, job, **more):
    write_record(path, **now(job), **more)
    return json.loads(path.read_text())


def test_a_record_has_outputs_inputs_code_and_machine(path, job, tmp_path):
    found = written(path, job)
    assert found["code"] == job["code"]
    assert found["config"] == CONFIG
    assert found["inputs"] == {"data/digits/train.safetensors": sha256("data/digits/train.safetensors")}
    assert found["external"] == {str(tmp_path / "mine.npz"): sha256("mine")}
    assert found["outputs"] == {
        name: sha256(name) for name in ("victims/0/weights.safetensors", "victims/0/history.csv")
    }
    assert found["software"] == {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    assert set(found["hardware"]) == {"processor", "gpus", "machine", "system"}
    assert found["hardware"]["machine"] == platform.machine()
    assert set(found) == {"code", "config", "commit", "inputs", "external", "outputs", "software", "hardware"}


def test_running_a_job_twice_gives_the_same_record(path, job):
    write_record(path, **now(job))
    before = path.read_bytes()
    path.unlink()
    write_record(path, **now(job))
    assert path.read_bytes() == before


def test_outputs_that_vary_are_listed_without_a_checksum(path, job):
    found = written(path, job, varying=[job["outputs"][1]])
    assert found["outputs"] == {
        "victims/0/weights.safetensors": sha256("victims/0/weights.safetensors"),
        "victims/0/history.csv": None,
    }


def test_a_results_folder_can_be_moved(path, job, tmp_path, monkeypatch):
    """Records from before and after the move are equal, and so is a record with relative paths."""
    before = written(path, job)
    shutil.copytree(tmp_path / "results", tmp_path / "elsewhere/kept")
    moved = {
        name: [tmp_path / "elsewhere/kept" / file.relative_to(tmp_path / "results") for file in files]
        for name, files in (("inputs", job["inputs"][:1]), ("outputs", job["outputs"]))
    }
    moved["inputs"].append(job["inputs"][1])
    assert written(tmp_path / "elsewhere/kept/provenance/victims/0.json", job | moved) == before
    monkeypatch.chdir(tmp_path)
    relative = {name: [file.relative_to(tmp_path) for file in job[name]] for name in ("inputs", "outputs")}
    after = written(path.relative_to(tmp_path), job | relative)
    before["external"]["mine.npz"] = before["external"].pop(str(tmp_path / "mine.npz"))
    assert after == before


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "not_installed"])
def test_the_version_stands_in_for_a_commit_without_a_repository(path, job, tmp_path, monkeypatch, installed):
    monkeypatch.setattr(record, "project_folder", lambda: tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert written(path, job)["commit"] == version("foolflow")

    def missing(*args, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(record.subprocess, "run", missing)
    assert written(path, job)["commit"] == version("foolflow")
    if not installed:
        monkeypatch.setattr(record, "version", _not_installed)
        found = written(path, job)
        assert found["commit"] is None
        assert set(found["software"].values()) == {platform.python_version(), None}


def _not_installed(package):
    raise record.PackageNotFoundError(package)


def test_a_commit_is_marked_if_a_file_differs_from_it(path, job, tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setattr(record, "project_folder", lambda: project)

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        done = subprocess.run(["git", *identity, *arguments], cwd=project, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (project / "file").write_text("committed")
    git("init", "--quiet")
    git("add", "file")
    git("commit", "--quiet", "--message", "first")
    git("tag", "v1")
    commit = git("rev-parse", "HEAD")
    assert written(path, job)["commit"] == commit
    (project / "file").write_text("edited")
    assert written(path, job)["commit"] == f"{commit}-dirty"


def test_the_checksum_of_a_folder_covers_names_and_contents(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a").write_text("a")
    (folder / "b").write_text("b")
    before = checksum(folder)
    (folder / ".b.17.partial").write_text("what a killed job left")
    assert checksum(folder) == before
    (folder / "b").rename(folder / "c")
    assert checksum(folder) != before
    (folder / "c").rename(folder / "b")
    (folder / "deep/a").write_text("A")
    assert checksum(folder) != before


def test_the_code_is_read_when_the_job_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("VALUE = 1\n")
    digest, installed = code_digest("mine.py"), f"numpy=={version('numpy')}"
    assert code_that_runs(f"{digest} {installed}") == f"{digest} {installed}"
    Path("mine.py").write_text("VALUE = 2\n")
    clear_cache()
    now = code_that_runs(f"{digest} numpy==0.1")
    assert now.split()[0] != digest.split()[0]
    assert now.split()[1:] == ["mine.py", installed]


def test_a_recorded_job_is_recognised(path, job):
    assert not is_recorded(path, **now(job))
    write_record(path, **now(job))
    assert is_recorded(path, **now(job))


@pytest.mark.parametrize(
    "other",
    [{"code": "fedcba9876543210 scripts.train"}, {"code": ""}, {"config": {}}, {"config": None}],
    ids=["code", "no_code", "config", "no_config"],
)
def test_a_different_job_is_not_recognised(path, job, other):
    write_record(path, **now(job) | other)
    assert not is_recorded(path, **now(job))
    write_record(path, **now(job))
    assert not is_recorded(path, **now(job) | other)


def test_a_job_with_changed_inputs_or_outputs_is_not_recognised(path, job):
    write_record(path, **now(job))
    job["inputs"][1].write_text("other")
    assert not is_recorded(path, **now(job))
    job["inputs"][1].write_text("mine")
    assert is_recorded(path, **now(job))
    job["outputs"][1].unlink()
    assert not is_recorded(path, **now(job))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"code": "", "config": {}, "inputs": []}', "3"])
def test_a_damaged_record_is_ignored(path, job, content):
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert not is_recorded(path, **now(job))
