"""Attack one victim: adversarial images, one record per image, and what the run took.

--spec: {"attack": the config entry, "model": ..., "defense": ...}, the entries that the victim was made from.
"""

import argparse
import time
from pathlib import Path

from safetensors.torch import save_file

from foolflow.attacks.running import run_attack
from foolflow.jobs.command_line import add_code_option, add_compute_options, add_output, job_parser, run_job
from foolflow.data.splits import load_split
from foolflow.compute.device import compute_on, describe_device
from foolflow.jobs.files import whole_file, write_json
from foolflow.models.victims import load_victim
from foolflow.jobs.progress import Progress


def main(arguments: argparse.Namespace) -> None:
    device = compute_on(arguments.device, arguments.threads)
    spec = arguments.spec
    split = load_split(arguments.images)
    victim = load_victim(
        arguments.weights, model=spec["model"], defense=spec["defense"], shape=split.shape, device=device
    )

    start = time.perf_counter()
    made = run_attack(
        victim,
        split,
        spec["attack"],
        device,
        shard=(arguments.shard, arguments.shards),
        progress=Progress(str(arguments.adversarial.parent), "batches"),
    )
    seconds = time.perf_counter() - start

    with whole_file(arguments.adversarial) as partial:
        save_file(made.tensors, partial)
    with whole_file(arguments.records) as partial:
        made.records.to_parquet(partial, index=False)
    rate = len(made.records) / seconds
    print(f"{len(made.records):,} images in {seconds:.1f} s: {rate:,.1f} images/s")
    write_json(arguments.run, {"seconds": seconds, "images_per_second": rate, "device": describe_device(device)})


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="the test split")
    parser.add_argument("--weights", type=Path, required=True, help="the victim")
    add_output(parser, "--adversarial")
    add_output(parser, "--records")
    add_output(parser, "--run", help="JSON: seconds, images per second, device")
    parser.add_argument("--shard", type=int, default=0, help="which share of the batches, from 0")
    parser.add_argument("--shards", type=int, default=1, help="how many shares there are")
    add_code_option(parser)
    add_compute_options(parser)
    run_job(main, parser)
