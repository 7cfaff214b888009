"""Draw robust accuracy against the L2 distance that an adversary may move an image, by the best of several attacks.

--spec: a list of {"dataset", "model", "seed", "attack"}, one for each of --records, in order.
"""

import argparse
from pathlib import Path

import pandas as pd

from foolflow.jobs.command_line import job_parser, run_job
from foolflow.figures.security_curves import Curve, draw
from foolflow.figures.style import add_figure_options, save_figure
from foolflow.data.reading import read_records
from foolflow.statistics.minimal import distances, nearest, quantile, security_curve


def main(arguments: argparse.Namespace) -> None:
    found: dict[tuple, list[pd.Series]] = {}
    for entry, path in zip(arguments.spec, arguments.records, strict=True):
        victim = (entry["dataset"], entry["model"], entry["seed"])
        found.setdefault(victim, []).append(distances(read_records(path)))
    several_seeds = len({seed for _, _, seed in found}) > 1
    curves = []
    for (dataset, model, seed), each in found.items():
        smallest = nearest(each)
        name = f"{model} (seed {seed})" if several_seeds else model
        median = quantile(smallest[smallest > 0], 0.5)
        curves.append(Curve(dataset, name, security_curve(smallest), median, len(smallest)))
    save_figure(draw(curves), arguments)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--records", type=Path, nargs="+", required=True)
    add_figure_options(parser)
    run_job(main, parser)
