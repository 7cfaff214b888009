"""Gather what the jobs of a run recorded when they ran (`foolflow.jobs.record`) into one manifest.

Nothing is computed here that a job could not have known: a manifest says what made its artefacts, whatever has been
edited or touched since.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput, in_one_line

FOLDER = "provenance"  # of the results folder

Record = Mapping[str, Any]


def read_records(results: Path) -> dict[str, Record]:
    """Every record of a results folder, by the name of its job. Raises InvalidInput if one is damaged."""
    found = {}
    for path in sorted((results / FOLDER).rglob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["inputs"].items(), record["outputs"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path} is not a job's record ({in_one_line(error)}); run the job again") from error
        found[path.relative_to(results / FOLDER).with_suffix("").as_posix()] = record
    return found


def producers(records: Mapping[str, Record]) -> dict[str, str]:
    """The job that made each artefact."""
    return {artefact: job for job, record in records.items() for artefact in record["outputs"]}


def behind(records: Mapping[str, Record], jobs: Iterable[str]) -> list[str]:
    """These jobs and all whose artefacts they were made from, directly or not, in order of their names."""
    made_by = producers(records)
    found: set[str] = set()
    pending = list(jobs)
    while pending:
        job = pending.pop()
        if job not in found:
            found.add(job)
            pending += [made_by[artefact] for artefact in records[job]["inputs"] if artefact in made_by]
    return sorted(found)


def manifest(records: Mapping[str, Record], jobs: Iterable[str]) -> dict[str, Any]:
    """What these jobs and those behind them made, from what, with which code, where.

    Artefacts that differ from run to run, such as timings, are left out, and so is the time: the same run twice has
    the same manifest.
    `artefacts`: by path, `sha256` and `job`.  `jobs`: by name, `code`, `config`, `commit`, `machine` (a place in
    `machines`) and `inputs`; an input that no job made has its checksum.  `machines`: `software` and `hardware`.
    """
    chosen = behind(records, jobs)
    made_by = producers(records)
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
            "inputs": {path: None if path in made_by else sha256 for path, sha256 in record["inputs"].items()},
        }
    artefacts = {
        path: {"sha256": sha256, "job": job}
        for job in chosen
        for path, sha256 in records[job]["outputs"].items()
        if sha256 is not None
    }
    return {"artefacts": artefacts, "jobs": described, "machines": machines}
