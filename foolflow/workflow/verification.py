"""Verify a results folder against a manifest or against the current code."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput, in_one_line
from foolflow.jobs.record import checksum, code_that_runs
from foolflow.workflow.provenance import producers, read_records

# In order: each stage depends only on earlier ones.
STAGES = (
    "data",
    "victims",
    "robustness",
    "attacks",
    "judgements",
    "datasets",
    "evaluations",
    "costs",
    "tables",
    "figures",
)


@dataclass(frozen=True)
class Difference:
    """An artefact that differs. path: relative to the results folder.  how: the difference in words."""

    path: str
    how: str


def differences(results: Path, manifest: Mapping[str, Any]) -> list[Difference]:
    """Return the artefacts of `manifest` that are missing from `results` or differ there, in workflow order.

    All inputs of the first one match the manifest, so the cause lies in the step that made it.
    """
    found = []
    for path, artefact in sorted(manifest["artefacts"].items(), key=lambda item: _workflow_order(item[0])):
        if (problem := _problem(results / path, artefact["sha256"])) is not None:
            found.append(Difference(path, problem))
    return found


def made_by_other_code(results: Path) -> list[Difference]:
    """Return the artefacts that were not produced by the current code or that changed since, in workflow order.

    Each job recorded its code when it ran, so `snakemake --touch` cannot hide an outdated artefact. An artefact without
    a record is listed, too. Call it in the working directory of the run: records name the user's files relative to it.
    """
    records = read_records(results)
    found = [Difference(path, "has no record of what produced it") for path in _artefacts(results, producers(records))]
    for record in records.values():
        change = _change_of_code(record["code"])
        for path, sha256 in record["outputs"].items():
            if change is not None:
                found.append(Difference(path, change))
            elif sha256 is not None and (problem := _problem(results / path, sha256)) is not None:
                found.append(Difference(path, problem))
    return sorted(found, key=lambda difference: _workflow_order(difference.path))


def _artefacts(results: Path, recorded: Collection[str]) -> Iterator[str]:
    """Yield the artefacts in a results folder that are not among those `recorded`, which may be folders."""
    for stage in STAGES:
        for file in sorted((results / stage).rglob("*")):
            path = file.relative_to(results)
            is_part = path.parts[6:7] == ("shards",)  # of an attack
            temporary = is_part or file.name.startswith((".", "checkpoint"))
            if file.is_file() and not temporary and not any(str(part) in recorded for part in (path, *path.parents)):
                yield path.as_posix()


def _change_of_code(code: str) -> str | None:
    """Describe how the current code differs from the recorded one; None if it does not, or if the job has no digest."""
    if not code:
        return None
    try:
        now = code_that_runs(code)
    except (OSError, InvalidInput) as error:
        return f"was made by code {code.split()[0]}, which cannot be read now ({in_one_line(error)})"
    for then, today in zip(shlex.split(code), shlex.split(now), strict=True):
        if then != today:  # the digest, or a package
            return f"was made by code {then}; the current code is {today}"
    return None


def _problem(path: Path, sha256: str) -> str | None:
    if not path.exists():
        return "is missing"
    found = checksum(path)
    return None if found == sha256 else f"has sha256 {found[:12]}, not {sha256[:12]}"


def _workflow_order(path: str) -> tuple[int, str]:
    stage = path.partition("/")[0]
    return STAGES.index(stage) if stage in STAGES else len(STAGES), path


def other_circumstances(here: Mapping[str, Any], manifest: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield what may explain a difference in the artefact `path`: code, config, inputs, software and hardware.

    here: the manifest of the results folder itself.
    """
    jobs = [one["jobs"].get(one["artefacts"].get(path, {}).get("job")) for one in (here, manifest)]
    if None in jobs:
        return
    ours, theirs = jobs
    for key in ("code", "config", "commit"):
        if ours[key] != theirs[key]:
            yield f"{key}: {_short(ours[key])} here, {_short(theirs[key])} in the manifest"
    for name, sha256 in sorted(theirs["external"].items()):
        if ours["external"].get(name, sha256) != sha256:
            yield f"input: {name} has different content here"
    machines = [one["machines"][job["machine"]] for one, job in ((here, ours), (manifest, theirs))]
    for kind in ("software", "hardware"):
        for name, value in sorted(machines[1][kind].items()):
            if machines[0][kind].get(name) != value:
                yield f"{kind}: {name} is {machines[0][kind].get(name)} here, {value} in the manifest"


def _short(value: Any) -> str:
    text = value.split()[0] if isinstance(value, str) and value else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
