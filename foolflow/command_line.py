"""What every script in scripts/ shares: how it reads its job, what it logs, and how it fails."""

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from foolflow.errors import InvalidInput, told
from foolflow.files import remove_partials
from foolflow.gpus import own_gpu
from foolflow.locks import only_job_on
from foolflow.plugins import blamed
from foolflow.progress import tell_terminal

LONGEST = 2000  # characters of a parameter that a log repeats


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser for a script that is given what it needs from the config as one JSON object, `--spec`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=json.loads, required=True, help="the job's share of the config, as JSON")
    return parser


def add_output(parser: argparse.ArgumentParser, option: str, help: str | None = None) -> None:
    """A file or folder that the job makes: no other job works on it meanwhile."""
    action = parser.add_argument(option, type=Path, required=True, help=help)
    parser.set_defaults(outputs=[*(parser.get_default("outputs") or []), action.dest])


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads to compute with")
    parser.add_argument("--gpus", type=int, default=0, help="1: compute on a GPU that no other job of Foolflow's has")


def add_code_option(parser: argparse.ArgumentParser) -> None:
    """For jobs that take long enough not to be done twice."""
    parser.add_argument("--code", default="", help="digest of the code: what other code has made is not taken up")


def run_job(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Run `main`, logging what it was given and what it took.

    What the user can mend ends in one line on standard error and exit status 1. While another job of the same first
    output runs, this one waits; if that was the same job of the same code, there is nothing left to do.
    """
    arguments = parser.parse_args()
    outputs = [getattr(arguments, name) for name in arguments.__dict__.pop("outputs")]
    job = json.dumps(sys.argv[1:]) if getattr(arguments, "code", "") else ""
    try:
        with only_job_on(outputs[0], job) as made_meanwhile:
            if made_meanwhile and all(path.exists() for path in outputs):
                print("the job that was waited for has made it")
                return
            for path in outputs:
                remove_partials(path)
            with _logged(parser.prog, arguments), _gpu(arguments):
                main(arguments)
    except InvalidInput as error:
        _refuse(outputs[0], error)
    except (Exception, SystemExit) as error:  # SystemExit: a user's code may call sys.exit
        if (refusal := told(error) or blamed(error)) is None:
            tell_terminal(f"{outputs[0]}: error: {type(error).__name__}: {error} (the log has more)")
            raise
        _refuse(outputs[0], refusal)


def _refuse(output: Path, reason: object) -> NoReturn:
    """In the log, and where whoever started the workflow sees it."""
    tell_terminal(f"{output}: error: {reason}")
    sys.exit(f"error: {reason}")


@contextmanager
def _gpu(arguments: argparse.Namespace) -> Iterator[None]:
    if not getattr(arguments, "gpus", 0):
        yield
        return
    with own_gpu() as gpu:
        if gpu is not None:
            print(f"on GPU {gpu}", flush=True)
        yield


@contextmanager
def _logged(script: str, arguments: argparse.Namespace) -> Iterator[None]:
    """Before the job: what runs, where, and with which parameters; after it: what it took."""
    print(f"{script} on {platform.node()}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    for name, value in sorted(vars(arguments).items()):
        print(f"  {name}: {_shown(value)}")
    sys.stdout.flush()
    start = time.monotonic()
    yield
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"done in {time.monotonic() - start:.1f} s, with at most {megabytes:,.0f} MB of memory")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"
