"""Attack one victim. Write the adversarial images and what only the attack knows about them, such as iterations.

--spec: {"attack", "model", "defense"}: the config entry of the attack, and those that the victim was built from
"""

import argparse
import time
from pathlib import Path

from foolflow.attacks.running import run_attack
from foolflow.compute.device import compute_on, describe_device
from foolflow.data.reading import read_json
from foolflow.data.splits import load_split
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import write_json
from foolflow.jobs.progress import Progress
from foolflow.models.victims import victim_of


def main(arguments: argparse.Namespace) -> list[Path]:
    device = compute_on(arguments.device, arguments.threads)
    spec, split = arguments.spec, load_split(arguments.images)
    entry = spec["attack"]
    for plan in arguments.plan:
        entry = entry | {"images": read_json(plan)["images"]}
    victim = victim_of(
        split, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device
    ).victim
    start = time.perf_counter()
    adversarial_set = run_attack(
        victim,
        split,
        entry,
        device,
        arguments.adversarial,
        shard=(arguments.shard, arguments.shards),
        progress=Progress(str(arguments.adversarial.parent), "batches"),
    )
    seconds = time.perf_counter() - start
    rate = len(adversarial_set) / seconds
    print(f"{len(adversarial_set):,} images in {seconds:.1f} s: {rate:,.1f} images/s")
    write_json(
        arguments.run,
        {
            "seconds": seconds,
            "images_per_second": rate,
            "device": describe_device(device),
            "stored": adversarial_set.stored,
        },
    )
    return [arguments.run]


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--images", help="the test split")
    add_victim(parser)
    add_input(parser, "--plan", nargs="*", default=[], required=False, help="JSON: the number of images")
    add_output(parser, "--adversarial")
    add_output(parser, "--run", help="JSON: seconds, images per second, device, and how images are stored")
    parser.add_argument("--shard", type=int, default=0, help="index of this shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shards that divide the batches")
    add_compute_options(parser)
    run_job(main, parser)
