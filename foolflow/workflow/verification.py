"""Whether a results folder holds what a manifest says, and if not, where the two part first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foolflow.workflow.manifest import checksum

# Each is made of those before it.
STAGES = ("data", "victims", "attacks", "datasets", "evaluations", "tables", "figures", "pages")


@dataclass(frozen=True)
class Difference:
    """path: of an artefact, below the results folder.  how: in words."""

    path: str
    how: str


def differences(results: Path, manifest: Mapping[str, Any]) -> list[Difference]:
    """The artefacts of `manifest` that are missing from `results` or have other bytes, along the DAG: what comes first
    has everything that it was made of as the manifest says, so the cause is there."""
    found = []
    for path, artefact in sorted(manifest["artefacts"].items(), key=lambda item: _place(item[0])):
        if not (results / path).exists():
            found.append(Difference(path, "is missing"))
        elif (sha256 := checksum(results / path)) != artefact["sha256"]:
            found.append(Difference(path, f"has sha256 {sha256[:12]}, not {artefact['sha256'][:12]}"))
    return found


def _place(path: str) -> tuple[int, bool, str]:
    """Along the DAG. Undefended victims come before those that take their weights from them."""
    stage, *parts = path.split("/")
    rank = STAGES.index(stage) if stage in STAGES else len(STAGES)
    return rank, stage == "victims" and "none" not in parts, path


def other_circumstances(here: Mapping[str, Any], manifest: Mapping[str, Any], path: str) -> Iterator[str]:
    """What may explain that the artefact `path` differs: the code that made it, software and hardware.

    here: the manifest of the results folder itself.
    """
    codes = [one["artefacts"].get(path, {}).get("code") for one in (here, manifest)]
    if None not in codes and codes[0] != codes[1]:
        yield f"code: {codes[0]} here, {codes[1]} in the manifest"
    for kind in ("software", "hardware"):
        for name, value in sorted(manifest[kind].items()):
            if here[kind].get(name) != value:
                yield f"{kind}: {name} is {here[kind].get(name)} here, {value} in the manifest"
