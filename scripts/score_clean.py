"""Score the clean val and test images with a detector: how far a victim's softmax moves when they are squeezed.

--spec: {"model": ..., "defense": ..., "squeezers": a list of {"name": ..., and what a defense has}}
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from foolflow.jobs.command_line import add_compute_options, add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import score_images
from foolflow.compute.device import compute_on
from foolflow.jobs.files import whole_file
from foolflow.models.victims import load_victim
from foolflow.jobs.progress import log_throughput


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec, splits = arguments.spec, {"val": load_split(arguments.val), "test": load_split(arguments.test)}
    victim = load_victim(
        arguments.weights, model=spec["model"], defense=spec["defense"], shape=splits["test"].shape, device=device
    )
    squeezers = {f"score_{entry['name']}": load_filter(entry) for entry in spec["squeezers"]}
    tables = []
    for name, split in splits.items():
        with log_throughput(len(split)):
            found = score_images(victim, torch.from_numpy(split.images), squeezers, device)
        columns = {column: tensor.numpy() for column, tensor in found.items()}
        tables.append(
            pd.DataFrame({"split": name, "index": range(len(split.labels)), "label": split.labels, **columns})
        )
    with whole_file(arguments.scores) as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="the victim")
    add_output(parser, "--scores")
    add_compute_options(parser)
    run_job(main, parser)
