"""Shared by all programs in scripts/: command-line options, logging, provenance records and error handling."""

import argparse
import base64
import gc
import json
import platform
import resource
import sys
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from foolflow.errors import InvalidInput
from foolflow.jobs.allocation import keep_freed_memory
from foolflow.jobs.error_reporting import system_error, user_code_error
from foolflow.jobs.files import remove_partials
from foolflow.jobs.gpus import own_gpu
from foolflow.jobs.locks import only_job_on
from foolflow.jobs.record import Inputs, code_that_runs, import_by_name, is_recorded, write_record
from foolflow.jobs.terminal import print_to_terminal, redirect_to

PACKED = "zlib:"  # before a spec that is compressed
LONGEST = 2000  # characters of a parameter in a log

# The function that does the work of a job. It returns the outputs that differ between runs, such as timings.
Main = Callable[[argparse.Namespace], Collection[Path] | None]


def read_spec(text: str) -> Any:
    """Parse JSON, plain or packed by `foolflow.workflow.commands.as_spec`."""
    if text.startswith(PACKED):
        text = zlib.decompress(base64.b64decode(text.removeprefix(PACKED))).decode()
    return json.loads(text)


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every job has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=read_spec, help="the job's part of the config, as JSON")
    parser.add_argument("--code", default="", help="the code digest and the names it was computed from")
    parser.add_argument("--log", type=Path, help="the file for the job's output (default: the terminal)")
    parser.add_argument("--provenance", type=Path, help="the file for the record of what produced the outputs")
    parser.set_defaults(inputs=[], outputs=[])
    return parser


def add_input(parser: argparse.ArgumentParser, option: str, **settings: Any) -> None:
    """Add an option for a file or folder that the job reads (several with `nargs`). Its checksum is recorded."""
    action = parser.add_argument(option, type=Path, **{"required": True} | settings)
    parser.set_defaults(inputs=[*parser.get_default("inputs"), action.dest])


def add_victim(parser: argparse.ArgumentParser) -> None:
    """Add the options for the files that a victim is loaded from."""
    add_input(parser, "--weights", nargs="+", help="the victim's weights: one trained file, or the user's files")
    add_named_files(parser)


def add_named_files(parser: argparse.ArgumentParser) -> None:
    """Add the option for the files that config entries name in their arguments. Only the user's code reads them."""
    add_input(parser, "--named", nargs="*", default=[], required=False, help="files that the config's entries name")


def add_named_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the option for inputs that the rule names: `--input judgements FILE FILE ...`, once per name."""
    parser.add_argument("--input", nargs="+", action="append", default=[], metavar=("NAME", "FILE"))
    parser.add_argument("--packed-inputs", type=read_spec, default={}, help="a long list of named inputs, packed")
    parser.set_defaults(inputs=[*parser.get_default("inputs"), "input"])


def named_inputs(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    """Return the files given with `--input` or `--packed-inputs`, by name."""
    given = dict(arguments.packed_inputs) | {name: files for name, *files in arguments.input}
    return {name: [Path(file) for file in files] for name, files in given.items()}


def add_output(parser: argparse.ArgumentParser, option: str, **settings: Any) -> None:
    """Add an option for a file or folder that the job writes (several with `nargs`).

    The first output of a job is locked while the job runs.
    """
    action = parser.add_argument(option, type=Path, **{"required": True} | settings)
    parser.set_defaults(outputs=[*parser.get_default("outputs"), action.dest])


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads")
    parser.add_argument("--gpus", type=int, default=0, help="1: use a GPU that no other Foolflow job uses")


def run_job(main: Main, parser: argparse.ArgumentParser) -> None:
    """Run `main`, log its parameters, time and memory, and record what produced its outputs.

    An error that the user can fix ends the job with one line on standard error and exit status 1. If another process
    is producing the same output, wait for it; if it ran the same job with the same code, do nothing more.
    """
    keep_freed_memory()
    gc.freeze()  # the imported modules are never garbage
    gc.enable()
    arguments = parser.parse_args()
    if arguments.log is not None:
        redirect_to(arguments.log)
    inputs = _paths(arguments, arguments.__dict__.pop("inputs"))
    outputs = _paths(arguments, arguments.__dict__.pop("outputs"))
    try:
        if arguments.code:
            import_by_name(arguments.code)
            arguments.code = code_that_runs(arguments.code)
        with only_job_on(outputs[0]) as waited:
            read = Inputs(inputs if arguments.provenance is not None else ())
            job = {"config": arguments.spec, "inputs": read.checksums, "outputs": outputs}
            recorded = waited and arguments.provenance is not None
            if recorded and is_recorded(arguments.provenance, code=arguments.code, **job):
                print("nothing to do: the job that this one waited for produced the same outputs")
                return
            for path in outputs:
                remove_partials(path)
            with _logged(parser.prog, arguments), _gpu(arguments):
                varying = main(arguments) or ()
            if arguments.provenance is not None:
                read.check_unchanged()
                write_record(arguments.provenance, code=arguments.code, **job, varying=varying)
    except InvalidInput as error:
        _fail(outputs[0], error)
    except (Exception, SystemExit) as error:  # SystemExit: the user's code may call sys.exit
        if (reason := system_error(error) or user_code_error(error)) is None:
            print_to_terminal(f"{outputs[0]}: error: {type(error).__name__}: {error} (see the log for the traceback)")
            raise
        _fail(outputs[0], reason)


def _paths(arguments: argparse.Namespace, names: list[str]) -> list[Path]:
    found: list[Path] = []
    for name in names:
        value = named_inputs(arguments) if name == "input" else getattr(arguments, name)
        if isinstance(value, dict):
            found += [path for paths in value.values() for path in paths]
        else:
            found += value if isinstance(value, list) else [value] if value is not None else []
    return found


def _fail(output: Path, reason: object) -> NoReturn:
    """Report the reason in the log and on the terminal, then exit."""
    print_to_terminal(f"{output}: error: {reason}")
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
    """Log the program, the machine and the parameters before the job, and time and memory after it."""
    print(f"{script} on {platform.node()}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    for name, value in sorted(vars(arguments).items()):
        print(f"  {name}: {_shown(value)}")
    sys.stdout.flush()
    start = time.monotonic()
    yield
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"done in {time.monotonic() - start:.1f} s, peak memory {megabytes:,.0f} MB")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"
