"""Kill a run again and again, at random moments, and see that it ends as if nothing had happened.

`make chaos` does so to the demo; `python -m tests.end_to_end.chaos --help` lists the options.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foolflow.jobs.record import checksum
from tests.end_to_end.conftest import BARE, DEMO, SNAKEMAKE, Project, copy_project

ROOT = Path(__file__).resolve().parents[2]
# One job; Snakemake alone, so that its jobs go on without it; everything.
KINDS = ("job", "snakemake", "group")


@dataclass
class Outcome:
    kills: Counter = field(default_factory=Counter)
    calls: int = 0
    checked: int = 0  # artefacts checked after a kill
    resumed: int = 0  # trainings that went on after an epoch
    waited: int = 0  # jobs that found an orphan of an earlier call at work on their artefact
    seconds: float = 0.0


class Disturbed:
    """One folder in which the workflow is called, killed and called again."""

    def __init__(self, project: Project, reference: dict, targets: Sequence[str], cores: int) -> None:
        self.project, self.reference = project, reference
        self.command = [SNAKEMAKE, *DEMO, "--cores", str(cores), "--nolock", *targets]
        self.outcome = Outcome()
        self.process: subprocess.Popen | None = None
        self.groups: list[int] = []
        self.output = project.folder / "chaos.log"

    def call(self) -> None:
        with self.output.open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.project.folder, env=BARE, stdout=log, stderr=log, start_new_session=True
            )
        self.groups.append(self.process.pid)
        self.outcome.calls += 1

    def kill(self, kind: str, generator: random.Random) -> bool:
        """Whether there was anything of that kind to kill."""
        assert self.process is not None
        if kind == "job":
            jobs = self.jobs()
            if not jobs:
                return False
            os.kill(generator.choice(jobs), signal.SIGKILL)
        elif kind == "snakemake":
            self.process.kill()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
        if kind != "job":
            self.process.wait()
        self.outcome.kills[kind] += 1
        return True

    def jobs(self) -> list[int]:
        """The jobs of this call and orphans of an earlier one, and the processes that watch over them."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                group = os.getpgid(int(folder.name))
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except (OSError, ProcessLookupError):
                continue
            if group in self.groups and len(words) > 1 and words[1] == os.fsencode(self.project.folder / "scripts"):
                found.append(int(folder.name))
        return found

    def check_what_is_there(self, *, folders: bool = False) -> None:
        """Every artefact that exists is whole, and the one of the undisturbed run, at any moment.

        folders: check the folders, too, which are made file by file.
        """
        for path, artefact in self.reference["artefacts"].items():
            file = self.project.results / path
            if file.is_dir() and not folders:
                continue
            try:
                found = checksum(file)
            except FileNotFoundError:
                continue
            assert found == artefact["sha256"], f"{path} is not what the undisturbed run made"
            self.outcome.checked += 1

    def finish(self) -> None:
        """Let it run, as often as it takes: a call in which a job was killed fails, and the next goes on."""
        for _ in range(3):
            if self.process is None or self.process.poll() is not None:
                self.call()
            assert self.process is not None
            if self.process.wait() == 0:
                return
        raise AssertionError(f"it does not complete; the end of its output:\n{self.output.read_text()[-3000:]}")

    def check_the_end(self) -> None:
        before = self.outcome.checked
        self.check_what_is_there(folders=True)
        assert self.outcome.checked > before, "nothing was made"
        self.outcome.checked = before  # which counts what was checked in between
        left = [
            str(path) for path in self.project.results.rglob(".*") if ".partial" in path.name or path.suffix == ".lock"
        ]
        assert not left, f"left behind: {left}"


def disturb(
    project: Project,
    reference: dict,
    *,
    kills: int,
    seed: int,
    targets: Sequence[str] = (),
    longest: float = 20.0,
    cores: int = 2,
) -> Outcome:
    """Call the workflow in `project`, kill it `kills` times, at most `longest` seconds apart, and let it finish.

    reference: the manifest of an undisturbed run. What has been made is checked after each kill and at the end.
    If the run finishes early, it starts again from nothing. If no kill left an artefact to check, there are more.
    Raises AssertionError if an artefact is ever anything but whole and equal, or the run cannot complete.
    """
    generator = random.Random(seed)
    disturbed = Disturbed(project, reference, targets, cores)
    outcome, start = disturbed.outcome, time.monotonic()
    disturbed.call()
    while outcome.kills.total() < kills or (not outcome.checked and outcome.kills.total() < 10 * kills):
        time.sleep(generator.uniform(0.5, longest))
        assert disturbed.process is not None
        if disturbed.process.poll() is not None:
            if disturbed.process.returncode == 0:
                disturbed.check_the_end()
                _count_logs(disturbed)
                subprocess.run(["rm", "-rf", str(project.results)], check=True)
            disturbed.call()
            continue
        kind = generator.choice(KINDS)
        if disturbed.kill(kind, generator):
            disturbed.check_what_is_there()
            print(f"kill {outcome.kills.total()} of {kills}: {kind}", flush=True)
        if disturbed.process.poll() is not None:
            disturbed.call()
    disturbed.finish()
    disturbed.check_the_end()
    _count_logs(disturbed)
    outcome.seconds = time.monotonic() - start
    return outcome


def _count_logs(disturbed: Disturbed) -> None:
    logs = [path.read_text(errors="replace") for path in (disturbed.project.results / "logs").rglob("*.log")]
    disturbed.outcome.resumed += sum("resumed after epoch" in log for log in logs)
    disturbed.outcome.waited += sum("waiting for that job to end" in log for log in logs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and of what is killed")
    parser.add_argument("--longest", type=float, default=20.0, help="maximum number of seconds between two kills")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--targets", nargs="+", default=[], help="part of the demo")
    parser.add_argument("--reference", type=Path, help="results of an undisturbed demo (default: run it first)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="foolflow-chaos-") as folder:
        undisturbed = arguments.reference or run_undisturbed(Path(folder), arguments)
        reference = (undisturbed / "manifest.json").read_text()
        project = copy_project(ROOT, Path(folder) / "disturbed")
        outcome = disturb(
            project,
            json.loads(reference),
            kills=arguments.kills,
            seed=arguments.seed,
            targets=arguments.targets,
            longest=arguments.longest,
            cores=arguments.cores,
        )
        killed = ", ".join(f"{count} x {kind}" for kind, count in sorted(outcome.kills.items()))
        print(f"{outcome.kills.total()} kills ({killed}), {outcome.calls} calls, {outcome.seconds:.0f} s")
        print(f"{outcome.checked:,} checks of artefacts in between, every one whole and equal")
        print(f"{outcome.resumed} trainings resumed, {outcome.waited} jobs waited for an orphan")
        if not arguments.targets:
            assert (project.results / "manifest.json").read_text() == reference, "the manifests differ"
            print("the manifest equals that of the undisturbed run, byte for byte")


def run_undisturbed(folder: Path, arguments: argparse.Namespace) -> Path:
    project = copy_project(ROOT, folder / "undisturbed")
    start = time.monotonic()
    project.snakemake("--cores", str(arguments.cores))
    print(f"the undisturbed demo took {time.monotonic() - start:.0f} s", flush=True)
    return project.results


if __name__ == "__main__":
    main()
