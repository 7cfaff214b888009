"""Write the manifest of a run: each artefact's sha256 and code digest, package versions and hardware.

Standard input: a JSON list of {"path": below --results, "code": digest}.
"""

import argparse
import json
import sys
from pathlib import Path

from foolflow.command_line import add_output, run_job
from foolflow.files import write_json
from foolflow.manifest import describe_run


def main(arguments: argparse.Namespace) -> None:
    write_json(arguments.manifest, describe_run(arguments.results, json.load(sys.stdin)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    add_output(parser, "--manifest")
    run_job(main, parser)
