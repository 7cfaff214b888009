"""Drive the real `snakemake` in copies of the project."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
# No activated environment: snakemake is called by its path, and the jobs have to find its interpreter by themselves.
BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
DEMO = ("--workflow-profile", "profiles/demo")


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own. profile: the options of every call, those of the demo."""

    folder: Path
    profile: tuple[str, ...] = DEMO

    @property
    def results(self) -> Path:
        return self.folder / "results/demo"

    def snakemake(self, *arguments: str, ok: bool = True, **environment: str) -> subprocess.CompletedProcess:
        command = [SNAKEMAKE, *self.profile, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=BARE | environment, capture_output=True, text=True)
        if ok:
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess:
        """A program of the project's, by itself."""
        command = [sys.executable, program, *arguments]
        environment = BARE | {"PYTHONPATH": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def outdated(self, *arguments: str) -> set[str]:
        """The files that a run would make, below the results folder."""
        lines = self.snakemake("--summary", *arguments).stdout.splitlines()
        rows = csv.DictReader(lines, delimiter="\t")
        return {row["output_file"].removeprefix("results/demo/") for row in rows if row["plan"] == "update pending"}

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        """The file with `old` replaced, for the time of a with block."""
        path = self.folder / file
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)


def make(folder: Path, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess:
    """`make` in a copy of the project, with the environment of the tests instead of one of its own."""
    environment = (f"BIN={Path(sys.executable).parent}", "--old-file=.venv/installed")
    done = subprocess.run(["make", *environment, *arguments], cwd=folder, env=BARE, capture_output=True, text=True)
    if ok:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def copy_project(root: Path, folder: Path) -> Project:
    unwanted = shutil.ignore_patterns(".*", "results", "__pycache__", "*.egg-info", "build")
    shutil.copytree(root, folder, ignore=unwanted)
    return Project(folder)


@pytest.fixture(scope="session")
def demo(root, tmp_path_factory) -> Project:
    """The demo, which runs once, whichever process of the tests needs it first. Each process gets a copy of its own.

    Tests put back what they change.
    """
    own = tmp_path_factory.mktemp("demo") / "foolflow"
    several = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent / "demo/foolflow" if several else own
    with FileLock(shared.parent.with_suffix(".lock")):
        if not (shared.parent / "made").exists():
            project = copy_project(root, shared)
            said = make(project.folder, "demo").stdout
            (shared / "demo.log").write_text(said)
            (shared.parent / "made").touch()
    if several:
        shutil.copytree(shared, own, symlinks=True)  # with the times of the files, which tell what is outdated
    return Project(own)


@pytest.fixture
def fresh(root, tmp_path) -> Project:
    return copy_project(root, tmp_path / "foolflow")
