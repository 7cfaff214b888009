"""Put a filter before a victim that was trained without it: the weights are those of the undefended one.

--spec: {"model": ..., "defense": ...}, the entries of the config.
"""

import argparse
import shutil
from pathlib import Path

from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.jobs.files import whole_file
from foolflow.models.victims import build_victim, load_victim, save_victim


def main(arguments: argparse.Namespace) -> None:
    spec = arguments.spec
    split = load_split(arguments.images)
    undefended = load_victim(arguments.undefended, model=spec["model"], defense={}, shape=split.shape)
    victim = build_victim(spec["model"], spec["defense"], split.shape)
    victim.network.load_state_dict(undefended.state_dict())
    save_victim(arguments.weights, victim, model=spec["model"], defense=spec["defense"], shape=split.shape)
    for name in ("history.csv", "training.json"):
        with whole_file(arguments.weights.with_name(name)) as partial:
            shutil.copyfile(arguments.undefended.with_name(name), partial)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split, for the images' shape")
    parser.add_argument("--undefended", type=Path, required=True, help="the undefended victim")
    add_output(parser, "--weights", help="history.csv and training.json come beside it")
    run_job(main, parser)
