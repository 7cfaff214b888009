"""Choose how many images each attack on a victim gets.

--spec: {"victim"}: its name; {"budget"}: seconds, or null; {"attacks"}: a list of {"name", "counts", "entry"} in the
order of --images
"""

import argparse
from dataclasses import fields
from pathlib import Path

from foolflow.attacks.planning import Speed, plan
from foolflow.data.reading import read_json
from foolflow.jobs.command_line import add_input, add_output, job_parser, run_job
from foolflow.jobs.files import write_json


def main(arguments: argparse.Namespace) -> list[Path]:
    spec, speed = arguments.spec, read_json(arguments.speed)
    planned = plan(spec["attacks"], Speed(**{part.name: speed[part.name] for part in fields(Speed)}), spec["budget"])
    for path, name in zip(arguments.images, (attack["name"] for attack in spec["attacks"]), strict=True):
        one = planned[name]
        write_json(path, {"images": one.images})
        print(f"{name}: {one.images:,} of {one.available:,} images, about {one.seconds:,.0f} s")
    rows = [
        {"attack": name, "images": one.images, "available": one.available, "seconds": one.seconds}
        for name, one in planned.items()
    ]
    write_json(
        arguments.plan,
        {"victim": spec["victim"], "budget": spec["budget"], "memory_mb": speed["memory_mb"], "attacks": rows},
    )
    return [arguments.plan]


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--speed", help="JSON: how fast the victim is")
    # An attack depends on its own number of images only, so a change for one attack reruns no other.
    add_output(parser, "--images", nargs="+", help="JSON for each attack: its number of images")
    add_output(parser, "--plan", help="JSON: images and seconds of all attacks")
    run_job(main, parser)
