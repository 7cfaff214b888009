"""Write the manifest of a run: each artefact's sha256 and code digest, package versions and hardware."""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import add_output, run_job
from foolflow.jobs.files import write_json
from foolflow.workflow.manifest import describe_run
from foolflow.workflow.packing import unpack


def main(arguments: argparse.Namespace) -> None:
    write_json(arguments.manifest, describe_run(arguments.results, arguments.artefacts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument(
        "--artefacts", type=unpack, required=True, help='a packed list of {"path": below --results, "code": digest}'
    )
    add_output(parser, "--manifest")
    run_job(main, parser)
