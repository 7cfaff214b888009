"""Verify a results folder: against a manifest, or against the code as it is now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foolflow.errors import in_one_line
from foolflow.jobs.record import checksum, code_that_runs
from foolflow.workflow.provenance import read_records

# Each is made of those before it.
STAGES = ("data", "victims", "attacks", "judgements", "datasets", "evaluations", "tables", "figures", "pages")


@dataclass(frozen=True)
class Difference:
    """path: of an artefact, below the results folder.  how: in words."""

    path: str
    how: str


def differences(results: Path, manifest: Mapping[str, Any]) -> list[Difference]:
    """The artefacts of `manifest` that are missing from `results` or have other bytes, in the order of the workflow.

    Everything that the first one was made of is as the manifest says, so the cause lies there.
    """
    found = []
    for path, artefact in sorted(manifest["artefacts"].items(), key=lambda item: _place(item[0])):
        if (problem := _problem(results / path, artefact["sha256"])) is not None:
            found.append(Difference(path, problem))
    return found


def made_by_other_code(results: Path) -> list[Difference]:
    """The artefacts that were produced by code other than today's, or changed since; in the order of the workflow.

    Each job recorded its code when it ran, so a new time (`snakemake --touch`) hides nothing.
    """
    found = []
    for record in read_records(results).values():
        change = _change_of_code(record["code"])
        for path, sha256 in record["outputs"].items():
            if change is not None:
                found.append(Difference(path, change))
            elif sha256 is not None and (problem := _problem(results / path, sha256)) is not None:
                found.append(Difference(path, problem))
    return sorted(found, key=lambda difference: _place(difference.path))


def _change_of_code(code: str) -> str | None:
    """How today's code differs from the recorded one, in words; None: it does not, or the job has no digest."""
    if not code:
        return None
    try:
        now = code_that_runs(code)
    except (OSError, SyntaxError) as error:
        return f"was made by code {code.split()[0]}, which cannot be read now ({in_one_line(error)})"
    for then, today in zip(code.split(), now.split(), strict=True):
        if then != today:  # the digest, or a package
            return f"was made by code {then}, which is {today} now"
    return None


def _problem(path: Path, sha256: str) -> str | None:
    if not path.exists():
        return "is missing"
    found = checksum(path)
    return None if found == sha256 else f"has sha256 {found[:12]}, not {sha256[:12]}"


def _place(path: str) -> tuple[int, str]:
    stage = path.partition("/")[0]
    return STAGES.index(stage) if stage in STAGES else len(STAGES), path


def other_circumstances(here: Mapping[str, Any], manifest: Mapping[str, Any], path: str) -> Iterator[str]:
    """What may explain that the artefact `path` differs: code, config, inputs, software and hardware.

    here: the manifest of the results folder itself.
    """
    jobs = [one["jobs"].get(one["artefacts"].get(path, {}).get("job")) for one in (here, manifest)]
    if None in jobs:
        return
    ours, theirs = jobs
    for key in ("code", "config", "commit"):
        if ours[key] != theirs[key]:
            yield f"{key}: {_short(ours[key])} here, {_short(theirs[key])} in the manifest"
    for name, sha256 in sorted(theirs["inputs"].items()):
        if ours["inputs"].get(name, sha256) != sha256:
            yield f"input: {name} has other bytes here"
    machines = [one["machines"][job["machine"]] for one, job in ((here, ours), (manifest, theirs))]
    for kind in ("software", "hardware"):
        for name, value in sorted(machines[1][kind].items()):
            if machines[0][kind].get(name) != value:
                yield f"{kind}: {name} is {machines[0][kind].get(name)} here, {value} in the manifest"


def _short(value: Any) -> str:
    text = value.split()[0] if isinstance(value, str) and value else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
