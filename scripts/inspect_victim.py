"""Check a victim before it is attacked: its clean accuracy, and what makes its numbers doubtful.

--spec: {"model", "defense"}: the config entries that the victim was built from; {"images"}: how many images of the test
split to classify, at most
"""

import argparse

from foolflow.attacks.inspection import inspect
from foolflow.compute.device import compute_on
from foolflow.data.splits import load_split
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import write_json
from foolflow.jobs.progress import log_throughput
from foolflow.jobs.terminal import print_to_terminal
from foolflow.models.victims import victim_of


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    split = load_split(arguments.images).take(slice(0, spec["images"]))
    found = victim_of(split, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device)
    with log_throughput(len(split)):
        facts = inspect(found.victim, split, found.class_names, device)
    notices = [*split.notices, *found.notices, *facts.pop("warnings")]
    write_json(arguments.inspection, facts | {"class_names": found.class_names, "notices": notices})
    for notice in notices:
        print(notice, flush=True)
        print_to_terminal(f"{arguments.name}: notice: {notice}")


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--name", required=True, help="the victim, for messages")
    add_input(parser, "--images", help="the test split")
    add_victim(parser)
    add_output(parser, "--inspection", help="JSON: clean accuracy, class names, notices")
    add_compute_options(parser)
    run_job(main, parser)
