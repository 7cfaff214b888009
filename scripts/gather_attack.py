"""Combine consecutive parts of one attack: its shards, or groups of shards that were combined before.

All parts together are the adversarial set that an undivided run produces.
--spec: {"attack": the config entry, ...}, as for the shards
"""

import argparse
from pathlib import Path

from foolflow.attacks.kinds import sizes
from foolflow.attacks.shards import gather
from foolflow.data.adversarial import load_set
from foolflow.data.reading import read_json
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import write_json


def main(arguments: argparse.Namespace) -> list[Path]:
    folders = arguments.parts
    codes = {read_json(folder / "provenance.json")["code"] for folder in folders}
    if len(codes) > 1:
        shards = folders[0].parent
        raise InvalidInput(f"{shards}: the code changed between two shards; remove the folder and run again")
    (arguments.code,) = codes  # what made the images, for the record
    adversarial_set = gather(
        [load_set(folder / "adversarial.safetensors") for folder in folders],
        epsilons=len(sizes(arguments.spec["attack"])),
        path=arguments.adversarial,
    )
    runs = [read_json(folder / "run.json") for folder in folders]
    seconds = sum(run["seconds"] for run in runs)
    write_json(
        arguments.run,
        {
            "seconds": seconds,
            "images_per_second": len(adversarial_set) / seconds,
            "device": runs[0]["device"],
            "stored": adversarial_set.stored,
        },
    )
    return [arguments.run]


if __name__ == "__main__":
    parser = job_parser(__doc__)
    # The parts are temporary, so the record lists what they were made from, apart from a plan.
    add_input(parser, "--images", help="the test split")
    add_victim(parser)
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="the folders of all parts, in order")
    add_output(parser, "--adversarial")
    add_output(parser, "--run")
    run_job(main, parser)
