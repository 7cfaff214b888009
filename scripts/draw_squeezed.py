"""Draw images, clean and attacked, before and after a victim's filter, with its predictions and confidences.

--spec: {"title": ...}
"""

import argparse
import json
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.errors import InvalidInput
from foolflow.figures.sample_grid import Row, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import open_tensors


def main(arguments: argparse.Namespace) -> None:
    with open_tensors(arguments.examples) as file:
        texts = json.loads(file.metadata()["texts"])
        rows = [
            Row(name, file.get_tensor(name), [name for name, _ in told], [confidence for _, confidence in told])
            for name, told in texts["panels"].items()
        ]
    if not texts["labels"]:
        raise InvalidInput(f"{arguments.examples}: the attack fooled the undefended victim on no image to show")
    save_figure(draw(arguments.spec["title"], texts["labels"], rows), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--examples", type=Path, required=True)
    add_figure_options(parser)
    run_job(main, parser)
