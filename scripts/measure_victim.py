"""Measure a victim's accuracy on its data set's splits, with intervals; and add what its training took.

--spec: {"model": ..., "defense": ...}, the entries of the config that the victim was made from.
"""

import argparse
from pathlib import Path

import torch

from foolflow.jobs.command_line import add_compute_options, add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.compute.device import compute_on
from foolflow.jobs.files import write_json
from foolflow.models.victims import load_victim
from foolflow.compute.prediction import predict
from foolflow.jobs.progress import log_throughput
from foolflow.data.reading import read_json
from foolflow.statistics.intervals import wilson_interval


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    splits = {path.stem: load_split(path) for path in arguments.splits}
    shape = next(iter(splits.values())).shape
    victim = load_victim(arguments.weights, model=spec["model"], defense=spec["defense"], shape=shape, device=device)
    measured = {}
    for name, split in splits.items():
        with log_throughput(len(split)):
            predictions = predict(victim, torch.from_numpy(split.images), device)
        correct = int((predictions == torch.from_numpy(split.labels)).sum())
        measured[name] = {
            "n": len(split),
            "correct": correct,
            "accuracy": correct / len(split),
            "interval": list(wilson_interval(correct, len(split))),
        }
        print(f"{name}: {correct:,} of {len(split):,} right, {correct / len(split):.2%}")
    write_json(arguments.metrics, {"splits": measured, **read_json(arguments.training)})


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="train, val and test")
    parser.add_argument("--weights", type=Path, required=True, help="the victim")
    parser.add_argument("--training", type=Path, required=True, help="what train.py wrote about the training")
    add_output(parser, "--metrics")
    add_compute_options(parser)
    run_job(main, parser)
