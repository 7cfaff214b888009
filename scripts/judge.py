"""Judge adversarial sets, made on this victim or on others, with one victim, and measure its clean accuracy.

--spec: {"model", "defense"}: the config entries that the victim was built from; {"sets"}: a list of {"attack",
"source"} in the order of --sets; {"images"}: how many images of the test split the study uses, if not all
"""

import argparse

import pandas as pd

from foolflow.attacks.judging import classify, judge
from foolflow.compute.device import compute_on
from foolflow.compute.prediction import to_float
from foolflow.compute.randomness import TRIED, draws_of
from foolflow.data.adversarial import load_set
from foolflow.data.splits import load_split
from foolflow.errors import InvalidInput
from foolflow.jobs.command_line import add_compute_options, add_input, add_output, add_victim, job_parser, run_job
from foolflow.jobs.files import whole_file, write_json
from foolflow.jobs.progress import log_throughput
from foolflow.models.victims import victim_of


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    test = load_split(arguments.test).take(slice(0, spec.get("images")))
    supplied = victim_of(
        test, model=spec["model"], defense=spec["defense"], weights=arguments.weights[0], device=device
    )
    victim = supplied.victim
    draws = draws_of(victim, to_float(test.images[:TRIED], device))
    with log_throughput(len(test)):
        clean = classify(victim, test.images, device, draws=draws)
    accuracy = {"test": {"n": len(test), "correct": int((clean.classes.numpy() == test.labels).sum())}}
    for path in arguments.other_splits:
        split = load_split(path)
        with log_throughput(len(split)):
            classes = classify(victim, split.images, device, draws=draws).classes.numpy()
        accuracy[path.stem] = {"n": len(split), "correct": int((classes == split.labels).sum())}
    write_json(arguments.accuracy, accuracy)

    records = []
    for entry, path in zip(spec["sets"], arguments.sets, strict=True):
        adversarial_set = load_set(path)
        if len(adversarial_set) == 0:  # of an attack that needs a gradient, where there is none
            continue
        with log_throughput(2 * len(adversarial_set)):
            table = judge(victim, test, clean, adversarial_set, device, origin=str(path), draws=draws)
        correct = table["clean_prediction"] == table["label"]
        fooled = (table["prediction"] != table["label"])[correct].sum()
        print(f"{entry['attack']} on {entry['source']}: {fooled:,} of {correct.sum():,} misclassified", flush=True)
        table.insert(0, "attack", entry["attack"])
        table.insert(1, "source", entry["source"])
        records.append(table)
    if not records:
        raise InvalidInput("no attack has made any image, so there is nothing to judge; choose other attacks")
    judged = pd.concat(records, ignore_index=True)
    # Parquet keeps these: the classes that are predicted, and over how many passes a random victim is averaged.
    judged.attrs |= {"class_names": list(supplied.class_names), "draws": draws}
    with whole_file(arguments.records) as partial:
        judged.to_parquet(partial, index=False)


if __name__ == "__main__":
    parser = job_parser(__doc__)
    add_input(parser, "--test", help="the test split")
    add_input(
        parser,
        "--other-splits",
        nargs="*",
        default=[],
        required=False,
        help="further splits to measure accuracy on",
    )
    add_victim(parser)
    add_input(parser, "--sets", nargs="+", help="the adversarial sets")
    add_output(parser, "--records", help="Parquet: one row per adversarial image")
    add_output(parser, "--accuracy", help="JSON: by split, the number of clean images and how many are correct")
    add_compute_options(parser)
    run_job(main, parser)
