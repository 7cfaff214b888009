"""Compare our attacks with those of other libraries on the same victim, images and parameters, timed in turn.

    python -m bench [--images 500] [--repeats 3] [--threads 2]

Writes bench.csv, bench.md, bench.png and bench.pdf. By default, the victim is a LeNet trained on scikit-learn's digits,
which needs no download. To attack a victim of a workflow run instead:

    python -m bench --weights results/victims/mnist/lenet/none/0/weights.safetensors \\
        --split results/data/mnist/test.safetensors
"""

import argparse
import json
import platform
import sys
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from bench.contenders import Task, all_tasks
from bench.measuring import CLOCKS, Measured, measure, pose
from bench.rendering import draw, table, write_table
from bench.victims import load_trained_victim, train_digits_victim
from foolflow.compute.device import compute_on, describe_device
from foolflow.errors import InvalidInput
from foolflow.figures.style import save_figure

PEERS = ("foolbox", "torchattacks", "adv-lib", "adversarial-robustness-toolbox")


def main(arguments: argparse.Namespace) -> None:
    if (arguments.weights is None) != (arguments.split is None):
        raise InvalidInput("give both --weights and --split, or neither")
    tasks = chosen_tasks(arguments.attacks)
    device = compute_on(arguments.device, arguments.threads)
    if arguments.weights is None:
        name, (model, images, labels) = "LeNet, digits", train_digits_victim()
    else:
        name = arguments.name or str(arguments.weights)
        model, images, labels = load_trained_victim(arguments.weights, arguments.split, arguments.model)
    problem = pose(
        model.to(device),
        (images[: arguments.images].float() / 255).to(device),
        labels[: arguments.images].to(device),
        batch_size=arguments.batch_size,
        clock=arguments.clock,
    )
    title = f"Images per second: {name}, {describe_device(device)}"
    notes = [
        f"{len(problem.labels)} images in batches of {arguments.batch_size}, {arguments.repeats} repeats, "
        f"{arguments.clock} clock. {_processor()}; torch {torch.__version__}"
        + "".join(f", {peer} {found}" for peer in PEERS if (found := _version(peer)))
        + "."
    ]
    measured: list[tuple[Task, list[Measured]]] = []
    for task in tasks:  # write after each task, so that a long run can be inspected or stopped early
        measured.append((task, measure(problem, task, arguments.repeats, report=lambda line: print(line, flush=True))))
        data = table(measured)
        write_table(data, title, notes, arguments.out)
        save_figure(draw(data, title), arguments.out / "bench.png", arguments.out / "bench.pdf")
    print((arguments.out / "bench.md").read_text(encoding="utf-8"))


def chosen_tasks(words: Collection[str]) -> list[Task]:
    """Return the tasks with one of these words in their name, or all tasks if there are no words."""
    tasks = all_tasks()
    names = [set(task.name.lower().replace(",", "").split()) for task in tasks]
    wanted = {word.lower() for word in words}
    if unknown := wanted - set().union(*names):
        raise InvalidInput(f"--attacks: no attack has {', '.join(sorted(unknown))} in its name")
    return [task for task, own in zip(tasks, names, strict=True) if not wanted or wanted & own]


def _processor() -> str:
    """Return the name of the processor: from /proc/cpuinfo on Linux, elsewhere from Python."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="weights of a victim from a workflow run")
    parser.add_argument("--split", type=Path, help="images to attack: a split of a workflow run")
    parser.add_argument("--model", type=json.loads, help="the model's config entry as JSON, if it is your own model")
    parser.add_argument("--name", help="name of the victim, for the title")
    parser.add_argument(
        "--attacks",
        nargs="+",
        default=[],
        help="only attacks with one of these words in their name, such as FGSM",
    )
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall", help="cpu: for one thread on a busy machine")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2, help="CPU threads to compute with")
    try:
        main(parser.parse_args())
    except InvalidInput as error:
        sys.exit(f"error: {error}")
