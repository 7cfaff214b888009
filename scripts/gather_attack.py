"""Put the shards of one attack together: what an undivided run would have made.

--spec: {"attack": the config entry, ...}
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from foolflow.attacks.shards import gather
from foolflow.command_line import add_output, job_parser, run_job
from foolflow.files import whole_file, write_json


def main(arguments: argparse.Namespace) -> None:
    made = [
        (load_file(adversarial), pd.read_parquet(records))
        for adversarial, records in zip(arguments.adversarial_shards, arguments.records_shards, strict=True)
    ]
    epsilon = arguments.spec["attack"].get("parameters", {}).get("epsilon")
    tensors, records = gather(made, len(epsilon) if isinstance(epsilon, list) else 1)
    with whole_file(arguments.adversarial) as partial:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)
    with whole_file(arguments.records) as partial:
        records.to_parquet(partial, index=False)
    runs = [json.loads(path.read_text()) for path in arguments.run_shards]
    seconds = sum(run["seconds"] for run in runs)
    write_json(
        arguments.run,
        {"seconds": seconds, "images_per_second": len(records) / seconds, "device": runs[0]["device"]},
    )


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--adversarial-shards", type=Path, nargs="+", required=True, help="in order, as the next two")
    parser.add_argument("--records-shards", type=Path, nargs="+", required=True)
    parser.add_argument("--run-shards", type=Path, nargs="+", required=True)
    add_output(parser, "--adversarial")
    add_output(parser, "--records")
    add_output(parser, "--run")
    run_job(main, parser)
