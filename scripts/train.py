"""Train one victim. Write its weights, its history and a summary of the training.

--spec: {"name"}: the victim's path, from which its seeds are derived; {"model", "defense"}: the config entries
"""

import argparse
import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from foolflow.compute.device import compute_on, describe_device
from foolflow.compute.generators import seeded
from foolflow.compute.seeds import derived_seed
from foolflow.data.splits import Split, load_split
from foolflow.defenses.loading import load_hardening
from foolflow.jobs.command_line import (
    add_compute_options,
    add_input,
    add_named_files,
    add_output,
    job_parser,
    run_job,
)
from foolflow.jobs.files import remove_partials, whole_file, write_json
from foolflow.jobs.progress import Progress
from foolflow.models.victims import build_victim, save_victim
from foolflow.training.history import Epoch
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe


def main(arguments: argparse.Namespace) -> list[Path]:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    train_split, val_split = load_split(arguments.train), load_split(arguments.val)

    with seeded(spec["name"], "weights", device=device):
        victim = build_victim(spec["model"], spec["defense"], train_split.shape)
    recipe = Recipe(**spec["model"]["training"] | spec["defense"].get("training", {}))
    print(f"{spec['name']}: {recipe}", flush=True)
    remove_partials(arguments.checkpoint)
    trained = train(
        victim,
        _on(device, train_split),
        _on(device, val_split),
        recipe,
        seed=derived_seed(spec["name"], "training"),
        hardening=load_hardening(spec["defense"]),
        checkpoint=arguments.checkpoint,
        fingerprint=fingerprint(arguments),
        progress=Progress(spec["name"], "epochs"),
    )

    seconds = sum(epoch.seconds for epoch in trained.history)
    write_history(arguments.history, trained.history)
    write_json(
        arguments.training,
        {
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
            "seconds": seconds,
            "images_per_second": len(train_split) * len(trained.history) / seconds,
            "device": describe_device(device),
            "precision": trained.precision,
            "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
        },
    )
    save_victim(arguments.weights, victim, model=spec["model"], defense=spec["defense"], shape=train_split.shape)
    arguments.checkpoint.unlink(missing_ok=True)
    return [arguments.history, arguments.training]


def fingerprint(arguments: argparse.Namespace) -> str:
    """Hash everything that determines the weights of a checkpoint: the spec, the code, the images and the files that
    arguments of the model name.
    """
    parts = [json.dumps(arguments.spec, sort_keys=True), arguments.code]
    for path in (arguments.train, arguments.val, *arguments.named):
        with path.open("rb") as file:
            parts.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _on(device: torch.device, split: Split) -> Labelled:
    return Labelled(torch.from_numpy(np.array(split.images)).to(device), torch.from_numpy(split.labels).to(device))


def write_history(path: Path, history: list[Epoch]) -> None:
    with whole_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(history[0])))
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--train", help="the train split")
    add_input(parser, "--val", help="the val split")
    add_named_files(parser)
    add_output(parser, "--weights")
    add_output(parser, "--history", help="CSV: one row per epoch")
    add_output(parser, "--training", help="JSON: epochs, seconds, device, precision")
    parser.add_argument("--checkpoint", type=Path, required=True, help="written after each epoch, removed at the end")
    add_compute_options(parser)
    run_job(main, parser)
