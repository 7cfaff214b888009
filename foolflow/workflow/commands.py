"""Build parts of the shell commands that the rules run."""

import json
import sys
from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any

from foolflow.workflow.project import project_folder


def program(deployment: Iterable[Any]) -> Callable[[Any, Any], str]:
    """Return the param that starts a program of scripts/: `{params.program} train --spec ...`.

    The param takes `input`, so that Snakemake ignores its changes: moving the project triggers no job.
    deployment: the methods of `--software-deployment-method`. If there are any, the program runs with the `python` of
    the rule's environment; otherwise, with the interpreter that runs Snakemake.
    """
    python = "python" if list(deployment) else quote(sys.executable)
    command = f"{python} {quote(str(project_folder() / 'scripts'))}"
    return lambda wildcards, input: command


def as_options(inputs: Any) -> str:
    """Format the named inputs of a job as options: `--input judgements FILE FILE --input splits FILE`."""
    return " ".join(
        " ".join(["--input", name, *(quote(str(file)) for file in ([files] if isinstance(files, str) else files))])
        for name, files in inputs.items()
        if files
    )


def as_json(value: Any) -> str:
    """Format `value` as one line of JSON with sorted keys, because Snakemake compares params by their repr."""
    return json.dumps(value, sort_keys=True)
