"""Score an adversarial set, rounded to 8 bits, with a detector of the victim that it was made on.

--spec: {"model": ..., "defense": ..., "squeezers": a list of {"name": ..., and what a defense has}}
"""

import argparse
from pathlib import Path

import torch

from foolflow.attacks.judging import to_8_bits
from foolflow.jobs.command_line import add_compute_options, add_output, job_parser, run_job
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import score_images
from foolflow.compute.device import compute_on
from foolflow.jobs.files import whole_file
from foolflow.models.victims import load_victim
from foolflow.jobs.progress import log_throughput
from foolflow.data.reading import read_adversarial

KEPT = ["index", "epsilon", "label", "clean_prediction", "success_8bit"]  # of the records


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    victim = load_victim(
        arguments.weights, model=arguments.spec["model"], defense=arguments.spec["defense"], device=device
    )
    squeezers = {f"score_{entry['name']}": load_filter(entry) for entry in arguments.spec["squeezers"]}
    made, records = read_adversarial(arguments.adversarial, arguments.records)
    with log_throughput(len(made)):
        found = score_images(victim, to_8_bits(torch.from_numpy(made)), squeezers, device)
    with whole_file(arguments.scores) as partial:
        scores = {name: tensor.numpy() for name, tensor in found.items()}
        records[KEPT].assign(**scores).to_parquet(partial, index=False)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="the victim")
    parser.add_argument("--adversarial", type=Path, required=True, help="the images that an attack made of it")
    parser.add_argument("--records", type=Path, required=True, help="the records of that attack")
    add_output(parser, "--scores")
    add_compute_options(parser)
    run_job(main, parser)
