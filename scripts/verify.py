"""Verify a results folder: the program behind `make verify`.

With the manifest of another run: report whether both runs have the same artefacts, and which artefact differs first.
Without a manifest: list the artefacts that were produced by code other than the current code. The exit status is 1 if
any artefact is reported.
"""

import argparse
import json
import signal
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
    print(f"{total - len(found)} of {total} artefacts in {arguments.results} match {arguments.manifest}")
    if not found:
        return 0
    print(f"the first difference in the order of the workflow: {found[0].path} {found[0].how}")
    own = arguments.results / "manifest.json"
    if own.exists():
        for line in other_circumstances(load_manifest(own), manifest, found[0].path):
            print(f"  {line}")
    show(found[1:])
    return 1


def against_code(arguments: argparse.Namespace) -> int:
    if not (arguments.results / FOLDER).is_dir():
        raise InvalidInput(f"--results: {arguments.results} has no folder {FOLDER}/, so no job has run there")
    found = made_by_other_code(arguments.results)
    if not found:
        print(f"every artefact in {arguments.results} was produced by the current code")
        return 0
    print(f"{len(found)} artefacts in {arguments.results} were not produced by the current code:")
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
        raise InvalidInput(f"{path} is not a manifest: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make verify ... | head` ends quietly
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument(
        "--manifest", type=lambda text: Path(text) if text else None, help="the manifest of another run"
    )
    try:
        sys.exit(main(parser.parse_args()))
    except InvalidInput as error:
        sys.exit(f"error: {error}")
