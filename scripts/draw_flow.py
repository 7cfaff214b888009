"""Draw what an attack's flow does to some images: arrows, warped image, difference.

--spec: {"title": ...}
"""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.figures.flow_arrows import Warped, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import open_tensors, read_records

COUNT = 4


def main(arguments: argparse.Namespace) -> None:
    records = read_records(arguments.records)
    split = load_split(arguments.images)
    with open_tensors(arguments.adversarial) as file:
        made = {name: file.get_tensor(name) for name in ("images", "flow")}
    fooled = records[(records["clean_prediction"] == records["label"]) & records["success"]]
    if fooled.empty:
        raise InvalidInput(f"{arguments.records}: the attack succeeds on no image, so there is none to show")
    examples = [
        Warped(
            clean=split.images[row.image].astype("float32") / 255,
            flow=made["flow"][place],
            adversarial=made["images"][place],
            truth=split.class_names[row.label],
            prediction=split.class_names[row.prediction],
            flow_loss=row.flow_loss,
        )
        for place, row in fooled.drop_duplicates("label").head(COUNT).rename(columns={"index": "image"}).iterrows()
    ]
    save_figure(draw(arguments.spec["title"], examples), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--adversarial", type=Path, required=True, help="with the tensor `flow`")
    parser.add_argument("--records", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
