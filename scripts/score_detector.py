"""Score clean images and adversarial sets by how much squeezing an image changes the victim's softmax.

--spec: {"model", "defense"}: the config entries that the victim was built from; {"squeezers"}: a list of defense
entries, each with its "name"; {"attacks"}: a list of names in the order of --sets
"""

import argparse

import numpy as np
import pandas as pd
import torch

from foolflow.attacks.base import is_success
from foolflow.attacks.judging import classify, to_8_bits
from foolflow.compute.device import compute_on
from foolflow.data.adversarial import load_set
from foolflow.data.splits import load_split
from foolflow.defenses.loading import load_filter
from foolflow.defenses.squeezing import linf_distances, score_images
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import whole_file
from foolflow.jobs.progress import log_throughput
from foolflow.models.victims import victim_of


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec, splits = arguments.spec, {"val": load_split(arguments.val), "test": load_split(arguments.test)}
    test = splits["test"]
    victim = victim_of(
        test, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device
    ).victim
    squeezers = {f"score_{entry['name']}": load_filter(entry) for entry in spec["squeezers"]}

    def scores(images: torch.Tensor | np.ndarray) -> dict[str, torch.Tensor]:
        with log_throughput(len(images)):
            return score_images(victim, images, squeezers, device)

    tables = []
    for name, split in splits.items():
        found = scores(split.images)
        tables.append(pd.DataFrame({"images": name, "index": range(len(split)), "label": split.labels} | _numpy(found)))
    clean = classify(victim, test.images, device).classes
    for attack, path in zip(spec["attacks"], arguments.sets, strict=True):
        adversarial_set = load_set(path)
        index, target = (
            np.array(adversarial_set.tensors["index"]),
            torch.from_numpy(np.array(adversarial_set.tensors["target"])),
        )
        images = to_8_bits(torch.from_numpy(adversarial_set.images(slice(None))))
        found = scores(images)
        labels = torch.from_numpy(test.labels[index])
        success = is_success(found["prediction"], labels, target)
        about = {
            "images": attack,
            "index": index,
            "epsilon": adversarial_set.tensors["epsilon"],
            "linf": linf_distances(images, test.images[index]),
            "label": labels.numpy(),
        }
        judged = {"clean_prediction": clean[index].numpy(), "success_8bit": success.numpy()}
        tables.append(pd.DataFrame(about | judged | _numpy(found)))
    with whole_file(arguments.scores) as partial:
        pd.concat(tables, ignore_index=True).to_parquet(partial, index=False)


def _numpy(found: dict[str, torch.Tensor]) -> dict:
    return {name: tensor.numpy() for name, tensor in found.items()}


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--val", help="the val split")
    add_input(parser, "--test", help="the test split")
    add_victim(parser)
    add_input(parser, "--sets", nargs="+", help="adversarial sets made on this victim")
    add_output(
        parser,
        "--scores",
        help="Parquet: one row per image; the column `images` is val, test or the attack",
    )
    add_compute_options(parser)
    run_job(main, parser)
