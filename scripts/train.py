"""Train one victim: weights, history and metrics.

--spec: {"name": the victim's path, "model": ..., "defense": ...}, the entries of the config. `name` gives the seed.
"""

import argparse
import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch

from foolflow.command_line import add_compute_options, job_parser, run_job
from foolflow.data.splits import Split, load_split
from foolflow.device import choose_device, describe_device
from foolflow.files import whole_file, write_json
from foolflow.models.victims import build_victim, save_victim
from foolflow.prediction import predict
from foolflow.seeds import derived_seed
from foolflow.statistics.intervals import wilson_interval
from foolflow.training import Epoch, Labelled, Recipe, Trained, train


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    spec = arguments.spec
    splits = {part: load_split(arguments.data / f"{part}.safetensors") for part in ("train", "val", "test")}
    _, channels, size, _ = splits["train"].images.shape
    shape = {"channels": channels, "size": size, "classes": len(splits["train"].class_names)}

    torch.manual_seed(derived_seed(spec["name"], "weights"))
    victim = build_victim(spec["model"], spec["defense"], shape)
    recipe = Recipe(**spec["model"]["training"])
    print(f"{spec['name']} on {describe_device(device)}: {recipe}", flush=True)
    trained = train(
        victim,
        _on(device, splits["train"]),
        _on(device, splits["val"]),
        recipe,
        seed=derived_seed(spec["name"], "training"),
        checkpoint=arguments.checkpoint,
        fingerprint=hashlib.sha256(f"{json.dumps(spec, sort_keys=True)} {arguments.code}".encode()).hexdigest(),
        report=lambda line: print(line, flush=True),
    )

    metrics = measure(trained, splits, device)
    print("  ".join(f"{part} {measured['accuracy']:.2%}" for part, measured in metrics["splits"].items()))
    write_history(arguments.history, trained.history)
    write_json(arguments.metrics, metrics)
    save_victim(arguments.weights, victim, model=spec["model"], defense=spec["defense"], shape=shape)
    if arguments.checkpoint is not None:
        arguments.checkpoint.unlink(missing_ok=True)


def _on(device: torch.device, split: Split) -> Labelled:
    return Labelled(torch.from_numpy(split.images).to(device), torch.from_numpy(split.labels).to(device))


def measure(trained: Trained, splits: dict[str, Split], device: torch.device) -> dict:
    """Accuracy on every split (float32, eval mode) with its Wilson 95 % interval, and what the training took."""
    measured = {}
    for part, split in splits.items():
        predictions = predict(trained.model, torch.from_numpy(split.images), device)
        correct = int((predictions == torch.from_numpy(split.labels)).sum())
        interval = wilson_interval(correct, len(split))
        measured[part] = {
            "n": len(split),
            "correct": correct,
            "accuracy": correct / len(split),
            "interval": list(interval),
        }
    seconds = sum(epoch.seconds for epoch in trained.history)
    return {
        "splits": measured,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "seconds": seconds,
        "images_per_second": len(splits["train"]) * len(trained.history) / seconds,
        "device": describe_device(device),
        "precision": trained.precision,
        "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
    }


def write_history(path: Path, history: list[Epoch]) -> None:
    with whole_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(history[0])))
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data set's splits")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="written after each epoch, taken up, removed at the end")
    parser.add_argument("--code", default="", help="digest of the code; a checkpoint of other code is not taken up")
    add_compute_options(parser)
    run_job(main, parser)
