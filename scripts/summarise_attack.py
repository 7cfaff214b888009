"""Summarise what an attack did to a victim: success and accuracy with intervals, distances, and what it took."""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import add_output, run_job
from foolflow.jobs.files import write_json
from foolflow.data.reading import read_json, read_records
from foolflow.statistics.success import summarise


def main(arguments: argparse.Namespace) -> None:
    results = summarise(read_records(arguments.records))
    write_json(arguments.summary, {"results": results, **read_json(arguments.run)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="what attack.py wrote about its run")
    add_output(parser, "--summary")
    run_job(main, parser)
