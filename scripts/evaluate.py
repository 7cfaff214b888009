"""Evaluate a victim on an adversarial set, its own or another victim's: one record per image.

--spec: {"model": ..., "defense": ...}, the entries of the config that the victim was made from.
"""

import argparse
from pathlib import Path

import torch

from foolflow.attacks.judging import to_8_bits
from foolflow.jobs.command_line import add_compute_options, add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.compute.device import compute_on
from foolflow.errors import InvalidInput
from foolflow.jobs.files import whole_file
from foolflow.models.victims import load_victim
from foolflow.compute.prediction import predict
from foolflow.jobs.progress import log_throughput
from foolflow.data.reading import read_adversarial


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec, split = arguments.spec, load_split(arguments.images)
    victim = load_victim(
        arguments.weights, model=spec["model"], defense=spec["defense"], shape=split.shape, device=device
    )
    made, records = read_adversarial(arguments.adversarial, arguments.records)
    if (last := records["index"].max()) >= len(split):
        raise InvalidInput(f"{arguments.records} tells of image {last}; {arguments.images} has {len(split)}")
    images, clean = torch.from_numpy(made), torch.from_numpy(split.images[: last + 1])
    with log_throughput(len(clean) + 2 * len(images)):
        predicted = {
            "clean_prediction": predict(victim, clean, device).numpy()[records["index"]],
            "prediction": predict(victim, images, device).numpy(),
            "prediction_8bit": predict(victim, to_8_bits(images), device).numpy(),
        }
    evaluation = records[["index", "epsilon", "label"]].assign(**predicted)
    with whole_file(arguments.evaluation) as partial:
        evaluation.to_parquet(partial, index=False)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--weights", type=Path, required=True, help="the victim")
    parser.add_argument("--adversarial", type=Path, required=True, help="the images that some attack made")
    parser.add_argument("--records", type=Path, required=True, help="the records of that attack")
    add_output(parser, "--evaluation")
    add_compute_options(parser)
    run_job(main, parser)
