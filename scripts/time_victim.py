"""Measure how fast a victim is on one batch, for the plan of its attacks.

--spec: {"model", "defense"}: the config entries that the victim was built from; {"norm", "epsilon"}: the ball that it
will be attacked in; {"images"}: how many images of the test split are attacked, at most
"""

import argparse
from pathlib import Path

from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.device import compute_on, describe_device
from foolflow.compute.prediction import to_float
from foolflow.compute.speed import measure_speed
from foolflow.data.splits import load_split
from foolflow.defenses.filtered import through_filter
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import write_json
from foolflow.models.victims import victim_of

IMAGES = 16  # of the batch; fewer if they are large


def main(arguments: argparse.Namespace) -> list[Path]:
    device = compute_on(arguments.device, arguments.threads)
    spec, split = arguments.spec, load_split(arguments.images)
    victim = victim_of(
        split, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device
    ).victim
    count = default_batch_size(IMAGES, split.images.shape[1:])
    images, labels = split.images[:count], split.labels[:count]
    with through_filter(victim, "auto", to_float(images[:1], device)):  # as the standard attacks go through it
        speed = measure_speed(victim, images, labels, norm=spec["norm"], epsilon=spec["epsilon"], device=device)
    print(f"{1 / speed['forward']:,.1f} images/s forward, {1 / speed['gradient']:,.1f} images/s in both directions")
    write_json(
        arguments.speed,
        speed
        | {
            "images": min(len(split), spec["images"]),
            "shape": list(split.images.shape[1:]),
            "device": describe_device(device),
        },
    )
    return [arguments.speed]


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--images", help="the test split")
    add_victim(parser)
    add_output(parser, "--speed", help="JSON: seconds per image and pass, memory, device")
    add_compute_options(parser)
    run_job(main, parser)
