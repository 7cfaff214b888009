"""Follow a run of the study `robustness` from its files, and show one line with the progress and the time left."""

import json
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from foolflow.data.cells import VICTIM
from foolflow.jobs.progress import duration
from foolflow.studies.robustness import set_name, victims
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.names import Config
from foolflow.workflow.config.numbers import with_numbers

EVERY = 30.0  # seconds between two lines, where a line cannot be rewritten
PROGRESS = re.compile(r": ([\d,.]+) of ([\d,.]+) batches")  # as foolflow.jobs.progress writes it
# The lines that concern the user: of the config check and of jobs. The others are Snakemake's own.
TOLD = re.compile(r"^config: |(^|: )(error|notice): |: another job is producing it;")
REASON = re.compile(r"^config: |(^|: )error: ")  # those that say why a run fails
KEPT = 40  # last lines, to show if a run fails without a reason among them


class Watch:
    """The progress of a run. results: its folder.  jobs: how many run at a time.

    terminal: where the line goes.
    """

    def __init__(self, results: Path, jobs: int, terminal: IO[str]) -> None:
        self._results, self._jobs, self._terminal = results, max(jobs, 1), terminal
        self._victims: Sequence[Path] | None = None  # None: they are not planned yet
        self._rewrites = terminal.isatty()
        self._start = self._printed = time.time()
        self._shown = False
        self._last: deque[str] = deque(maxlen=KEPT)
        self._explained = False

    def plans(self) -> list[dict[str, Any]]:
        """Return the plan of each victim, in the order of the config."""
        return [plan for _, plan in self._plans()]

    def _plans(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for victim in self._victims or ():
            if (plan := _read(self._results / "robustness" / victim / "plan.json")) is not None:
                yield victim, plan

    def heard(self, line: str) -> None:
        """Take a line of Snakemake or of a job. Show it above the progress if it concerns the user."""
        self._last.append(line)
        if TOLD.search(line):
            self._explained = self._explained or REASON.search(line) is not None
            self.message(line)

    def message(self, line: str) -> None:
        """Show a line above the progress."""
        self._clear()
        print(line, file=self._terminal, flush=True)

    def planned(self, config: Config) -> None:
        """Take note that the attacks on the victims of a checked config are planned.

        The results folder may also hold plans of an earlier config, which do not count.
        """
        complete = with_defaults(with_numbers(config))
        named = [Path(*map(str, (victim[key] for key in VICTIM))) for victim in victims(complete)]
        folder = self._results / "robustness"
        found = [path.parent.relative_to(folder) for path in sorted(folder.glob("*/*/*/*/plan.json"))]
        # Options of Snakemake may have changed the config.
        self._victims = [victim for victim in named if victim in found] or found

    def tell_limits(self) -> None:
        """Say what the budget limits."""
        for plan in self.plans():
            for line in limits(plan):
                self.message(line)

    def update(self) -> None:
        """Show the progress, if it is due."""
        now = time.time()
        if self._rewrites or now - self._printed >= EVERY:
            self._printed = now
            line = self._line()
            self._terminal.write(f"\r\x1b[2K{line}" if self._rewrites else f"{line}\n")
            self._terminal.flush()
            self._shown = self._rewrites

    def close(self, *, failed: bool) -> None:
        """Remove the line. If the run has failed and nothing said why, show the end of what Snakemake wrote."""
        self._clear()
        if failed and not self._explained:
            for line in self._last:
                self.message(line)

    def _clear(self) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=self._terminal, flush=True)
            self._shown = False

    def _line(self) -> str:
        elapsed = duration(time.time() - self._start)
        rows = [(victim, one) for victim, plan in self._plans() for one in plan["attacks"]]
        if not rows:
            return f"preparing the images and the models, {elapsed}"
        done, left, running = 0, 0.0, []
        pace = []  # seconds taken for each second planned
        for victim, one in rows:
            run = _read(self._results / "attacks" / victim / set_name(one["attack"]) / "run.json")
            if run is not None:
                done += 1
                pace.append(run.get("seconds", 0) / max(one["seconds"], 1e-9))
                continue
            log = self._results / "logs/attacks" / victim / f"{set_name(one['attack'])}.log"
            part = _part(log, self._start)
            if part is not None:
                running.append(f"{one['attack']} {part:.0%}")
            left += one["seconds"] * (1 - (part or 0))
        if done == len(rows):
            return f"{done} of {len(rows)} attacks done, {elapsed}; judging the images"
        factor = min(max(sorted(pace)[len(pace) // 2], 0.2), 5) if pace else 1
        about = duration(left * factor / min(self._jobs, len(rows) - done))
        names = f" ({', '.join(running)})" if running else ""
        return f"{done} of {len(rows)} attacks done{names}, {elapsed}; about {about} left"


def limits(plan: dict[str, Any]) -> list[str]:
    """Say which attacks the budget limits. Return one line for each number of images."""
    limited: dict[tuple[int, int], list[str]] = {}
    for one in plan["attacks"]:
        if one["images"] < one["available"]:
            limited.setdefault((one["images"], one["available"]), []).append(one["attack"])
    budget = "" if plan["budget"] is None else f"to fit the budget of {duration(plan['budget'])}, "
    return [
        f"{plan['victim']}: {budget}{images:,} of {available:,} images for {', '.join(names)}"
        for (images, available), names in limited.items()
    ]


def _part(log: Path, since: float) -> float | None:
    """Return which part of its batches a running attack has done; None if it has not started."""
    try:
        if log.stat().st_mtime < since:
            return None
        found = PROGRESS.findall(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    if not found:
        return 0.0
    done, total = (float(number.replace(",", "")) for number in found[-1])
    return done / total if total else 0.0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
