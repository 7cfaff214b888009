"""Compare a results folder with a manifest, of another run or of another machine: `make verify` in words.

Ends with status 1 if an artefact is missing or has other bytes, and says which differs first along the DAG.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput
from foolflow.workflow.verification import differences, other_circumstances

SHOWN = 20


def main(arguments: argparse.Namespace) -> int:
    manifest = load_manifest(arguments.manifest)
    if not arguments.results.is_dir():
        raise InvalidInput(f"--results: {arguments.results} is not a folder")
    found = differences(arguments.results, manifest)
    total = len(manifest["artefacts"])
    print(f"{total - len(found)} of {total} artefacts in {arguments.results} are those of {arguments.manifest}")
    if not found:
        return 0
    first = found[0]
    print(f"first along the DAG: {first.path} {first.how}")
    own = arguments.results / "manifest.json"
    if own.exists():
        for line in other_circumstances(load_manifest(own), manifest, first.path):
            print(f"  {line}")
    for difference in found[1:SHOWN]:
        print(f"then: {difference.path} {difference.how}")
    if len(found) > SHOWN:
        print(f"and {len(found) - SHOWN} more")
    return 1


def load_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
        return {key: dict(manifest[key]) for key in ("artefacts", "hardware", "software")}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is no manifest of a run: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    try:
        sys.exit(main(parser.parse_args()))
    except InvalidInput as error:
        sys.exit(f"error: {error}")
