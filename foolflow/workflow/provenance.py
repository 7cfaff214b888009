"""Collect the records that the jobs of a run wrote (`foolflow.jobs.record`) in one manifest.

The manifest is computed from the records alone, so it describes what produced the artefacts, even if code or files have
been edited or touched since.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput, in_one_line

FOLDER = "provenance"  # in the results folder

Record = Mapping[str, Any]


def read_records(results: Path) -> dict[str, Record]:
    """Return all records of a results folder by the names of their jobs. Raises InvalidInput if one is damaged."""
    found = {}
    for path in sorted((results / FOLDER).rglob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["inputs"].items(), record["external"].items(), record["outputs"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path} is not a job's record ({in_one_line(error)}); run the job again") from error
        found[path.relative_to(results / FOLDER).with_suffix("").as_posix()] = record
    return found


def producers(records: Mapping[str, Record]) -> dict[str, str]:
    """Return the job that produced each artefact."""
    return {artefact: job for job, record in records.items() for artefact in record["outputs"]}


def with_dependencies(records: Mapping[str, Record], jobs: Iterable[str]) -> list[str]:
    """Return these jobs and all jobs whose artefacts they depend on, directly or not, sorted by name."""
    made_by = producers(records)
    found: set[str] = set()
    pending = list(jobs)
    while pending:
        job = pending.pop()
        if job not in found:
            if job not in records:
                raise InvalidInput(f"{FOLDER}/{job}.json is missing; run the job again that wrote it")
            found.add(job)
            for artefact in records[job]["inputs"]:
                if artefact not in made_by:
                    raise InvalidInput(f"{artefact} has no record of what produced it; remove it and run again")
                pending.append(made_by[artefact])
    return sorted(found)


def manifest(records: Mapping[str, Record], jobs: Iterable[str]) -> dict[str, Any]:
    """Return the manifest of these jobs and of all jobs that they depend on.

    artefacts: by path, `sha256` and `job`.
    jobs: by name, `code`, `config`, `commit`, `machine` (an index into `machines`), `inputs`, and `external`, the
        checksums of inputs from outside the results folder.
    machines: `software` and `hardware`.
    Two identical runs give the same manifest, because it contains no times and no artefacts that differ between runs,
    such as timings.
    """
    chosen = with_dependencies(records, jobs)
    machines: list[dict[str, Any]] = []
    described = {}
    for job in chosen:
        record = records[job]
        machine = {kind: record[kind] for kind in ("software", "hardware")}
        if machine not in machines:
            machines.append(machine)
        described[job] = {
            **{key: record[key] for key in ("code", "config", "commit")},
            "machine": machines.index(machine),
            "inputs": sorted(record["inputs"]),
            "external": record["external"],
        }
    artefacts = {
        path: {"sha256": sha256, "job": job}
        for job in chosen
        for path, sha256 in records[job]["outputs"].items()
        if sha256 is not None
    }
    return {"artefacts": artefacts, "jobs": described, "machines": machines}
