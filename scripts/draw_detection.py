"""Draw the ROC curves of the detectors: successful adversarial images of each attack against clean test images.

--spec: as for scripts/tabulate_detection.py.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.figures.roc_curves import Curve, Panel, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.statistics.detection import area_under, roc, threshold_at
from foolflow.statistics.scored import Detector, load_detectors


def main(arguments: argparse.Namespace) -> None:
    detectors = load_detectors(arguments.spec["detectors"], arguments.clean, arguments.scores)
    several_seeds = len({one.seed for one in detectors}) > 1
    panels = []
    for one in detectors:
        seed = f", seed {one.seed}" if several_seeds else ""
        threshold = threshold_at(one.scores_of("val"), arguments.spec["false_positives"])
        panels.append(
            Panel(
                title=f"{one.detector} on {one.dataset}, {one.model}{seed}",
                false_positives=float((one.scores_of("test") > threshold).mean()),
                curves=list(_curves(one)),
            )
        )
    save_figure(draw(panels), arguments)


def _curves(one: Detector) -> Iterator[Curve]:
    """Of the attacks that fooled the victim at all."""
    clean = one.scores_of("test")
    for scored in one.attacked:
        found = scored.records.loc[scored.records["success_8bit"], "score"].to_numpy()
        if len(found):
            yield Curve(scored.attack, roc(clean, found), area_under(clean, found).area, scored.adaptive)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--clean", type=Path, nargs="+", required=True)
    parser.add_argument("--scores", type=Path, nargs="+", required=True)
    add_figure_options(parser)
    run_job(main, parser)
