"""Combine the shards of one attack into the adversarial set that an undivided run produces.

--spec: {"attack": the config entry, ...}, as for the shards
"""

import argparse
from pathlib import Path

from foolflow.attacks.kinds import sizes
from foolflow.attacks.shards import gather
from foolflow.data.adversarial import load_set
from foolflow.data.reading import read_json
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_input, add_output, job_parser, run_job
from foolflow.jobs.files import write_json


def main(arguments: argparse.Namespace) -> list[Path]:
    folders = [arguments.folder / f"{shard}_of_{arguments.shards}" for shard in range(arguments.shards)]
    codes = {read_json(folder / "provenance.json")["code"] for folder in folders}
    if len(codes) > 1:
        raise InvalidInput(f"{arguments.folder}: the code changed between two shards; remove the folder and run again")
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
    # The shards are temporary, so the record lists the inputs that an undivided run has.
    add_input(parser, "--images", help="the test split")
    add_input(parser, "--weights", nargs="+", help="the victim's weights: one trained file, or the user's files")
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the shards, 0_of_4 and so on")
    parser.add_argument("--shards", type=int, required=True, help="number of shards")
    add_output(parser, "--adversarial")
    add_output(parser, "--run")
    run_job(main, parser)
