"""A cluster for the tests, and copies of the project that run locally and on it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.end_to_end.conftest import BARE, Project, copy_project
from tests.slurm.cluster import PACKAGES, Cluster, missing_programs, running_cluster

OVERLAY = ("--configfile", "tests/slurm/overlay.yaml")
STUDY = ("fgsm_sweep", "results/demo/victims/digits/MLP/none/0/weights.safetensors")  # and a training job in parallel
HELD = {name: f"results/demo/attacks/digits/{name}/none/0/held/adversarial.safetensors" for name in ("lenet", "MLP")}
RETRAINED = "results/demo/victims/digits/lenet/none/1/weights.safetensors"


@dataclass(frozen=True)
class Submitter:
    """Runs `snakemake --profile profiles/slurm` in a copy of the project, as a user of the cluster would."""

    cluster: Cluster
    project: Project

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "tests/slurm/impatient.py", "--profile", "profiles/slurm"]
        return [*snakemake, "--workflow-profile", "profiles/demo", *arguments]

    @contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
        """Run the call in the background, with its output in `submitter.log`. Wait for it when the block ends."""
        with (
            (self.project.folder / "submitter.log").open("w") as log,
            subprocess.Popen(
                self.command(*arguments),
                cwd=self.project.folder,
                env=BARE | self.cluster.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            except BaseException:
                process.kill()
                raise

    def run(self, *arguments: str, **environment: str) -> str:
        with self.started(*arguments, **environment) as process:
            pass
        log = self.log
        assert process.returncode == 0, log[-5000:]
        return log

    @property
    def log(self) -> str:
        return (self.project.folder / "submitter.log").read_text()


def same_artefacts(here: Project, there: Project, *endings: str) -> int:
    """Check that two runs made the same files with these endings, byte for byte. Return their number."""
    made = [path for path in there.results.rglob("*") if path.suffix in endings and path.is_file()]
    for path in made:
        name = path.relative_to(there.results)
        assert path.read_bytes() == (here.results / name).read_bytes(), name
    return len(made)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)}; they come with Debian's packages {PACKAGES}")
    with running_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="session")
def here(cluster, root, tmp_path_factory) -> Project:
    """Build locally what the tests build through Slurm."""
    project = copy_project(root, tmp_path_factory.mktemp("here") / "foolflow")
    project.snakemake("--cores", "2", *OVERLAY, "--", *STUDY, RETRAINED, *HELD.values())
    return project


@pytest.fixture(scope="session")
def submitter(cluster, root, tmp_path_factory) -> Submitter:
    return Submitter(cluster, copy_project(root, tmp_path_factory.mktemp("there") / "foolflow"))
