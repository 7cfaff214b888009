"""Build parts of the shell commands that the rules run, and the command that a reader of the page can run."""

import base64
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from typing import Any

from foolflow.jobs.command_line import PACKED
from foolflow.workflow.project import project_folder

LONGEST = 20_000  # characters of a spec or of a list of inputs that is not packed
PLACES = ("data_mirror", "device")  # keys of the config that say where a run reads and computes, not what


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
    """Format the named inputs of a job as options: `--input judgements FILE FILE --input splits FILE`.

    A long list is packed: `--packed-inputs zlib:...`. `foolflow.jobs.command_line.named_inputs` reads both.
    """
    named = {
        name: [files] if isinstance(files, str) else [str(file) for file in files]
        for name, files in inputs.items()
        if files
    }
    plain = " ".join(" ".join(["--input", name, *map(quote, files)]) for name, files in named.items())
    return plain if len(plain) <= LONGEST else f"--packed-inputs {quote(as_spec(named))}"


def as_json(value: Any) -> str:
    """Format `value` as one line of JSON with sorted keys, because Snakemake compares params by their repr."""
    return json.dumps(value, sort_keys=True)


def as_spec(value: Any) -> str:
    """Like `as_json`, but packed if it is long: Linux limits a job's whole command to 128 KiB.

    `foolflow.jobs.command_line.read_spec` reads both.
    """
    text = as_json(value)
    if len(text) <= LONGEST:
        return text
    return PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def to_remake(
    snakefile: Path,
    folder: Path,
    *,
    profile: Path | None = None,
    files: Sequence[Path] = (),
    values: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> str:
    """Return the command, run in `folder`, that makes a file of the results again, with {} in the place of the file.

    snakefile, profile, files, values, replace: what this run was called with, namely -s, --workflow-profile,
    --configfile, --config and --replace-workflow-config. Values of --config that change no result are not repeated.
    """

    def named(path: Path) -> str:
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    if profile:  # which names its Snakefile
        words = ["--workflow-profile", named(profile)]
    else:
        words = [] if snakefile == folder / "Snakefile" else ["-s", named(snakefile)]
    if replace:
        words += ["--replace-workflow-config"]
    if files:
        words += ["--configfile", *map(str, files)]
    return f"snakemake {{}} --force --cores all {join([*words, *config_options(values or {})])}".rstrip()


def config_options(values: Mapping[str, Any]) -> list[str]:
    """Return the words of --config for those of its values that change a result."""
    given = {key: value for key, value in values.items() if key not in PLACES}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    return ["--config", *(f"{key}={text}" for key, text in texts.items())] if texts else []
