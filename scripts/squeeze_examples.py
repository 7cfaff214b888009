"""What a victim's filter makes of a few images, clean and attacked, with the predictions before and after it.

--spec: {"model": ..., "defense": ...}, the entries of the config that the defended victim was made from.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.jobs.files import whole_file
from foolflow.models.victims import load_victim
from foolflow.compute.prediction import to_float
from foolflow.data.reading import read_adversarial

SHOWN = 6


def main(arguments: argparse.Namespace) -> None:
    model, defense = arguments.spec["model"], arguments.spec["defense"]
    split = load_split(arguments.images)
    undefended = load_victim(arguments.undefended, model=model, defense={}, shape=split.shape)
    defended = load_victim(arguments.weights, model=model, defense=defense, shape=split.shape)
    made, records = read_adversarial(arguments.adversarial, arguments.records)
    fooled = records[(records["clean_prediction"] == records["label"]) & records["success"]]
    rows = fooled.drop_duplicates("label").head(SHOWN).index.tolist()
    clean = to_float(torch.from_numpy(split.images[records["index"][rows]]), torch.device("cpu"))
    attacked = torch.from_numpy(made[rows])
    with torch.no_grad():
        panels = {
            "clean": _panel(undefended, clean, clean),
            "adversarial": _panel(undefended, attacked, attacked),
            "clean, filtered": _panel(defended, clean, defended.images_filter(clean)),
            "adversarial, filtered": _panel(defended, attacked, defended.images_filter(attacked)),
        }
    texts = {
        "labels": [split.class_names[label] for label in records["label"][rows]],
        "panels": {
            name: [
                [split.class_names[int(place)], float(confidence)]
                for place, confidence in zip(places, confidences, strict=True)
            ]
            for name, (_, places, confidences) in panels.items()
        },
    }
    with whole_file(arguments.examples) as partial:
        tensors = {name: shown.contiguous() for name, (shown, _, _) in panels.items()}
        save_file(tensors, partial, metadata={"texts": json.dumps(texts)})


def _panel(victim: nn.Module, given: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(the images to show, the classes that the victim gives `given`, its confidences)"""
    confidences, places = victim(given).softmax(1).max(1)
    return shown.clamp(0, 1), places, confidences


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--undefended", type=Path, required=True, help="the victim that was attacked")
    parser.add_argument("--weights", type=Path, required=True, help="the victim behind the filter")
    parser.add_argument("--adversarial", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True, help="of the attack")
    add_output(parser, "--examples")
    run_job(main, parser)
