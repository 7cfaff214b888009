"""Evaluate a victim on an adversarial set, its own or another victim's: one record per image.

--spec: {"model": ..., "defense": ...}, the entries of the config that the victim was made from.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from foolflow.attacks.judging import to_8_bits
from foolflow.command_line import add_compute_options, add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.device import choose_device
from foolflow.files import whole_file
from foolflow.models.victims import load_victim
from foolflow.prediction import predict


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    victim = load_victim(
        arguments.weights, model=arguments.spec["model"], defense=arguments.spec["defense"], device=device
    )
    records = pd.read_parquet(arguments.records)
    images = load_file(arguments.adversarial)["images"]
    clean = torch.from_numpy(load_split(arguments.images).images[: records["index"].max() + 1])
    evaluation = pd.DataFrame(
        {
            "index": records["index"],
            "epsilon": records["epsilon"],
            "label": records["label"],
            "clean_prediction": predict(victim, clean, device).numpy()[records["index"]],
            "prediction": predict(victim, images, device).numpy(),
            "prediction_8bit": predict(victim, to_8_bits(images), device).numpy(),
        }
    )
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
