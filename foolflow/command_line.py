"""What every script in scripts/ shares: how it reads its job and how it fails."""

import argparse
import json
import sys
from collections.abc import Callable

from foolflow.errors import InvalidInput, told
from foolflow.plugins import blamed


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser for a script that is given what it needs from the config as one JSON object, `--spec`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=json.loads, required=True, help="the job's share of the config, as JSON")
    return parser


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads to compute with")


def run_job(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Run `main`. What the user can mend ends in one line on standard error and exit status 1."""
    arguments = parser.parse_args()
    try:
        main(arguments)
    except InvalidInput as error:
        sys.exit(f"error: {error}")
    except (Exception, SystemExit) as error:  # SystemExit: a user's code may call sys.exit
        if (refusal := told(error) or blamed(error)) is None:
            raise
        sys.exit(f"error: {refusal}")
