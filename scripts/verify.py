"""Verify a results folder: `make verify` in words.

With a manifest, of another run or of another machine: is this run the same, and which artefact differs first? Without:
which artefacts were produced by code other than today's? Ends with status 1 if there are any.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from foolflow.errors import InvalidInput
from foolflow.workflow.provenance import FOLDER
from foolflow.workflow.verification import Difference, differences, made_by_other_code, other_circumstances

SHOWN = 20


def main(arguments: argparse.Namespace) -> int:
    if not arguments.results.is_dir():
        raise InvalidInput(f"--results: {arguments.results} is not a folder")
    return against_manifest(arguments) if arguments.manifest else against_code(arguments)


def against_manifest(arguments: argparse.Namespace) -> int:
    manifest = load_manifest(arguments.manifest)
    found = differences(arguments.results, manifest)
    total = len(manifest["artefacts"])
    print(f"{total - len(found)} of {total} artefacts in {arguments.results} are those of {arguments.manifest}")
    if not found:
        return 0
    print(f"first in the order of the workflow: {found[0].path} {found[0].how}")
    own = arguments.results / "manifest.json"
    if own.exists():
        for line in other_circumstances(load_manifest(own), manifest, found[0].path):
            print(f"  {line}")
    show(found[1:])
    return 1


def against_code(arguments: argparse.Namespace) -> int:
    if not (arguments.results / FOLDER).is_dir():
        raise InvalidInput(
            f"--results: {arguments.results} has no folder {FOLDER}/: no job has recorded anything there"
        )
    found = made_by_other_code(arguments.results)
    if not found:
        print(f"every artefact in {arguments.results} was produced by today's code")
        return 0
    print(f"{len(found)} artefacts in {arguments.results} are not what today's code produced:")
    show(found)
    return 1


def show(found: list[Difference]) -> None:
    for difference in found[:SHOWN]:
        print(f"  {difference.path} {difference.how}")
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more")


def load_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
        return {"artefacts": dict(manifest["artefacts"])} | {
            "jobs": dict(manifest["jobs"]),
            "machines": list(manifest["machines"]),
        }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is no manifest of a run: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--manifest", type=lambda text: Path(text) if text else None, help="of another run")
    try:
        sys.exit(main(parser.parse_args()))
    except InvalidInput as error:
        sys.exit(f"error: {error}")
