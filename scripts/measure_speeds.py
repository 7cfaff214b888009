"""Measure how fast untrained victims train, classify and give gradients, for the table of costs.

--spec: a list of {"dataset", "model", "defense", "entries"}: names, and the config entries {"model", "defense"}
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foolflow.compute.batch_size import default_batch_size
from foolflow.compute.device import compute_on, describe_device
from foolflow.compute.speed import measure_speed
from foolflow.data.splits import Split, load_split
from foolflow.defenses.loading import load_hardening
from foolflow.jobs.command_line import (
    add_compute_options,
    add_named_inputs,
    add_output,
    job_parser,
    named_inputs,
    run_job,
)
from foolflow.jobs.files import write_json
from foolflow.models.kinds import is_supplied
from foolflow.models.victims import build_victim, victim_of
from foolflow.training.loop import Labelled
from foolflow.training.recipe import Recipe
from foolflow.training.timing import BATCHES, seconds_per_image

BATCH = 100  # images, fewer if they are large; attacks use larger batches, which are hardly faster
BALL = {"norm": "linf", "epsilon": 0.1}  # of the short attack that is part of the measurement


def main(arguments: argparse.Namespace) -> list[Path]:
    device = compute_on(arguments.device, arguments.threads)
    given = named_inputs(arguments)
    files = {name: {file.parent.name: file for file in given.get(name, [])} for name in ("test", "train")}
    sizes = {name: {part: len(load_split(file)) for part, file in files[name].items()} for name in files}
    speeds = []
    for one in arguments.spec:
        split = load_split(files["test"][one["dataset"]])
        found = _speed(one["entries"], split, device)
        names = {key: one[key] for key in ("dataset", "model", "defense")}
        print(f"{'/'.join(names.values())}: {found}", flush=True)
        speeds.append(names | found)
    write_json(arguments.speeds, {"speeds": speeds, "images": sizes, "device": describe_device(device)})
    return [arguments.speeds]


def _speed(entries: Mapping[str, Any], split: Split, device: torch.device) -> dict[str, Any]:
    model, defense = entries["model"], entries["defense"]
    found: dict[str, Any] = {"train": None, "shape": list(split.images.shape[1:])}
    if is_supplied(model):
        victim = victim_of(split, model=model, defense=defense, device=device).victim
    else:
        victim = build_victim(model, defense, split.shape).to(device).to(memory_format=torch.channels_last)
        recipe = Recipe(**model["training"] | defense.get("training", {}))
        images = _repeated(split, BATCHES * recipe.batch_size, device)
        found["train"] = seconds_per_image(victim, images, recipe, hardening=load_hardening(defense))
    victim.eval()
    count = default_batch_size(BATCH, split.images.shape[1:])
    speed = measure_speed(victim, split.images[:count], split.labels[:count], **BALL, device=device)
    return found | {key: speed[key] for key in ("forward", "gradient", "classes", "draws")}


def _repeated(split: Split, count: int, device: torch.device) -> Labelled:
    """Return `count` images, some of them several times if there are fewer."""
    which = np.arange(count) % len(split)
    return Labelled(torch.from_numpy(split.images[which]).to(device), torch.from_numpy(split.labels[which]).to(device))


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_named_inputs(parser)
    add_output(
        parser, "--speeds", help="JSON: seconds per image of each victim, number of images of each split, device"
    )
    add_compute_options(parser)
    run_job(main, parser)
