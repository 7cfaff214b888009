"""Put the shards of one attack together: what an undivided run would have made.

--spec: {"attack": the config entry, ...}
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from foolflow.attacks.shards import gather
from foolflow.jobs.command_line import add_output, job_parser, run_job
from foolflow.jobs.files import whole_file, write_json
from foolflow.data.reading import read_json, read_records, read_tensors


def main(arguments: argparse.Namespace) -> None:
    folders = [arguments.folder / f"{shard}_of_{arguments.shards}" for shard in range(arguments.shards)]
    made = [
        (read_tensors(folder / "adversarial.safetensors"), read_records(folder / "records.parquet"))
        for folder in folders
    ]
    epsilon = arguments.spec["attack"].get("parameters", {}).get("epsilon")
    tensors, records = gather(made, len(epsilon) if isinstance(epsilon, list) else 1)
    with whole_file(arguments.adversarial) as partial:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)
    with whole_file(arguments.records) as partial:
        records.to_parquet(partial, index=False)
    runs = [read_json(folder / "run.json") for folder in folders]
    seconds = sum(run["seconds"] for run in runs)
    write_json(
        arguments.run,
        {"seconds": seconds, "images_per_second": len(records) / seconds, "device": runs[0]["device"]},
    )


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the shards lie in it, as 0_of_4 and so on")
    parser.add_argument("--shards", type=int, required=True, help="how many there are")
    add_output(parser, "--adversarial")
    add_output(parser, "--records")
    add_output(parser, "--run")
    run_job(main, parser)
