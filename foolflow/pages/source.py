"""What produced the results, as the page shows it: from the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """commits: of the code.  machines: of each, `hardware` and `software` in words.  artefacts: path and SHA-256."""

    commits: Sequence[str]
    seeds: Sequence[int]
    machines: Sequence[Mapping[str, str]]
    artefacts: Sequence[tuple[str, str]]


def source(manifest: Mapping[str, Any], seeds: Sequence[int]) -> Source:
    """Describe a manifest: see `foolflow.workflow.provenance.manifest`."""
    commits = dict.fromkeys(str(job["commit"]) for job in manifest["jobs"].values() if job["commit"])
    return Source(
        commits=list(commits),
        seeds=seeds,
        machines=[_machine(one) for one in manifest["machines"]],
        artefacts=[(path, one["sha256"]) for path, one in sorted(manifest["artefacts"].items())],
    )


def _machine(machine: Mapping[str, Any]) -> dict[str, str]:
    hardware = machine["hardware"]
    gpus = ", ".join(hardware["gpus"]) if hardware["gpus"] else "no GPU"
    return {
        "hardware": f"{hardware['processor']}, {hardware['machine']}, {hardware['system']}; {gpus}",
        "software": ", ".join(f"{name} {version}" for name, version in machine["software"].items()),
    }
