"""Words of the commands that the rules run."""

import json
import sys
from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any

from foolflow.workflow.project import project_folder


def program(deployment: Iterable[Any]) -> Callable[[Any, Any], str]:
    """Return the param with which a rule starts a program of scripts/: `{params.program} train --spec ...`.

    It takes `input`, so that Snakemake counts it as derived: where the project lies outdates nothing.
    deployment: the methods of `--software-deployment-method`. With one, `python` is that of the rule's environment;
    without, it is the interpreter that runs Snakemake, whether or not its environment is activated.
    """
    python = "python" if list(deployment) else quote(sys.executable)
    command = f"{python} {quote(str(project_folder() / 'scripts'))}"
    return lambda wildcards, input: command


def as_options(inputs: Any) -> str:
    """The named inputs of a job as options of its program: `--input judgements FILE FILE --input splits FILE`."""
    return " ".join(
        " ".join(["--input", name, *(quote(str(file)) for file in ([files] if isinstance(files, str) else files))])
        for name, files in inputs.items()
        if files
    )


def as_json(value: Any) -> str:
    """One line, keys sorted: Snakemake compares params by their repr."""
    return json.dumps(value, sort_keys=True)
