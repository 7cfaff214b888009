"""Tabulate where the time went, from the benchmark files of a results folder."""

import argparse
from pathlib import Path

from foolflow.jobs.command_line import run_job
from foolflow.tables.times import read_benchmarks, times_table
from foolflow.tables.writing import add_table_options, write_table


def main(arguments: argparse.Namespace) -> None:
    write_table(times_table(read_benchmarks(arguments.benchmarks)), arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=Path, required=True, help="the folder of the benchmark files")
    add_table_options(parser)
    run_job(main, parser)
