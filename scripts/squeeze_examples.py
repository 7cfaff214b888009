"""Apply several filters to a few clean and adversarial images, and classify the results with the filters' victims.

--spec: `model`, the config entry, and `filters`, for each of --weights the `name` and the config entry `defense`
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from foolflow.attacks.judging import classify
from foolflow.compute.prediction import to_float
from foolflow.data.adversarial import load_set
from foolflow.data.splits import Split, load_split
from foolflow.jobs.command_line import add_input, add_named_files, add_output, job_parser, run_job
from foolflow.jobs.files import whole_file
from foolflow.models.victims import victim_of

SHOWN = 6
CPU = torch.device("cpu")


def main(arguments: argparse.Namespace) -> None:
    spec = arguments.spec
    split, adversarial_set = load_split(arguments.images), load_set(arguments.adversarial)
    undefended, names = _victim(split, spec["model"], {}, arguments.undefended[0])
    attacked = torch.from_numpy(adversarial_set.images(slice(None)))
    index = torch.from_numpy(np.array(adversarial_set.tensors["index"]))
    labels = torch.from_numpy(split.labels)[index]
    clean = to_float(split.images[index.numpy()], CPU)
    fooled = (classify(undefended, clean, CPU).classes == labels) & (
        classify(undefended, attacked, CPU).classes != labels
    )
    rows = _first_of_each_class(labels, fooled)
    clean, attacked = clean[rows], attacked[rows]
    panels = {"clean": _panel(undefended, clean, clean), "adversarial": _panel(undefended, attacked, attacked)}
    for one, weights in zip(spec["filters"], arguments.weights, strict=True):
        name = one["name"]
        defended, _ = _victim(split, spec["model"], one["defense"], weights)
        with torch.no_grad():
            for kind, images in (("clean", clean), ("adversarial", attacked)):
                panels[f"{kind}, {name}"] = _panel(defended, images, defended.images_filter(images))
    texts = {
        "labels": [names[label] for label in labels[rows]],
        "panels": {
            name: [
                [names[int(index)], float(confidence)] for index, confidence in zip(classes, confidences, strict=True)
            ]
            for name, (_, classes, confidences) in panels.items()
        },
    }
    with whole_file(arguments.examples) as partial:
        tensors = {name: shown.contiguous() for name, (shown, _, _) in panels.items()}
        save_file(tensors, partial, metadata={"texts": json.dumps(texts)})


def _victim(split: Split, model: Any, defense: Any, weights: Path) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the victim and the names of its classes."""
    found = victim_of(split, model=model, defense=defense, weights=weights)
    return found.victim, found.class_names


def _first_of_each_class(labels: Tensor, fooled: Tensor) -> list[int]:
    first: dict[int, int] = {}
    for row in fooled.nonzero().squeeze(1).tolist():
        first.setdefault(int(labels[row]), row)
    return list(first.values())[:SHOWN]


@torch.no_grad()
def _panel(victim: nn.Module, given: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Classify the images `given`. Return the images `shown`, the predicted classes and their confidences."""
    if len(given) == 0:
        return shown, torch.zeros(0), torch.zeros(0)
    confidences, classes = victim(given).softmax(1).max(1)
    return shown.clamp(0, 1), classes, confidences


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--images", help="the test split")
    add_input(parser, "--undefended", nargs="+", help="the weights of the victim that was attacked")
    add_input(parser, "--weights", nargs="+", help="the weights of the victim with each filter, one file for each")
    add_named_files(parser)
    add_input(parser, "--adversarial", help="the adversarial set made on the undefended victim")
    add_output(parser, "--examples")
    run_job(main, parser)
