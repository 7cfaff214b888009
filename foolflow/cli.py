"""The command `foolflow`: `foolflow evaluate mine.yaml` runs the studies of a config and shows the answer.

It is roughly the same as `snakemake page --replace-workflow-config --configfile mine.yaml`, with the project's
Snakefile, all cores, one progress line, and the table of the study `robustness` at the end. Every other option is
passed on to Snakemake, except `--directory` and `--configfile`.
"""

import argparse
import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from foolflow.errors import InvalidInput, in_one_line
from foolflow.workflow.project import project_folder

SNAKEMAKE = 'Snakemake is not installed; it is in the extra `workflow`: pip install "foolflow[workflow]"'
QUIET = ("--quiet", "host", "progress", "reason", "rules")  # not `all`, which would hide errors in the config
WHERE = ("--cores", "-c", "--jobs", "-j", "--profile", "--executor", "-e")  # options that say where jobs run
# Options with which Snakemake does not run the jobs. The short ones may follow those that it runs with, as in -np.
STARTS_NO_JOB = (
    *("--archive", "--cleanup-metadata", "--cleanup-shadow", "--conda-cleanup-envs", "--conda-create-envs-only"),
    *("--containerize", "--d3dag", "--dag", "--delete-all-output", "--delete-temp-output", "--detailed-summary"),
    *("--dry-run", "--dryrun", "--export-cwl", "--filegraph", "--generate-unit-tests", "--lc", "--li", "--lint"),
    *("--list", "--list-changes", "--list-conda-envs", "--list-input-changes", "--list-params-changes"),
    *("--list-rules", "--list-target-rules", "--list-untracked", "--lp", "--lt", "--lu", "--print-compilation"),
    *("--report", "--rulegraph", "--summary", "--touch", "--unlock", "--version"),
)
STARTS_NO_JOB_SHORT = re.compile("-[aFfkp]*[DlnStv]")
NOTHING_TO_DO = "Nothing to be done"  # begins Snakemake's message that all files are up to date
EXAMPLE = """models:
  mine: { torchvision: resnet18, weights: resnet18.pth, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
datasets: { photos: { source: folder, path: photos, resize: 256, crop: 224 } }
studies:  { robustness: { dataset: photos, models: [mine], norm: linf, epsilon: 8/255 } }"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="foolflow", description="Measure how robust an image classifier is.")
    commands = parser.add_subparsers(dest="command", required=True)
    evaluate = commands.add_parser(
        "evaluate",
        help="attack the models of a config and show how robust they are",
        description="Attack the models of a config and show how robust they are. Other options go to Snakemake.",
        epilog=f"A config needs no more than this (mean, std: how the input was normalised in training):\n\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("config", type=Path, help="the config, a YAML file that contains the study `robustness`")
    evaluate.add_argument("--plan", action="store_true", help="show jobs, images, time and memory, and attack nothing")
    given, options = parser.parse_known_args(arguments)
    try:
        return _evaluate(given.config, options, plan=given.plan)
    except InvalidInput as error:
        print(f"foolflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 128 + signal.SIGINT


def _evaluate(config: Path, options: Sequence[str], *, plan: bool) -> int:
    if importlib.util.find_spec("snakemake") is None:
        raise InvalidInput(SNAKEMAKE)
    if any(option.startswith(("-d", "--dir")) for option in options):  # Snakemake accepts abbreviations
        raise InvalidInput("results are written where this command is called, so it takes no --directory; use cd")
    if any(option.startswith("--configf") for option in options):  # it would replace the config, not add to it
        raise InvalidInput(
            f"{config} is the whole config, so this takes no --configfile; "
            "write everything in that file, or change single keys with --config"
        )
    read = _config(config, options)
    results = _results(read, options)
    os.environ["FOOLFLOW_COMMAND"] = f"foolflow evaluate {shlex.quote(str(config))}"  # the page shows how to repeat it
    if any(map(_is_short_of_running, options)):
        return subprocess.run(_snakemake("page", config, options), check=False).returncode
    from foolflow.workflow.answer import answer, planned
    from foolflow.workflow.watching import Watch

    start = time.time()
    watch = Watch(results, _cores(options), sys.stderr)
    # The plan comes first and alone: Snakemake then sees which attacks' numbers of images have changed, and runs only
    # those again.
    status, is_current = _run(_snakemake("plan", config, [*options, *QUIET]), watch)
    if status == 0:
        watch.planned(read)
    if status == 0 and not plan:
        watch.tell_limits()
        status, is_current = _run(_snakemake("page", config, [*options, *QUIET]), watch)
    if status == 0 and plan:
        command = _snakemake("page", config, [*options, "--dry-run", "--quiet", "rules"])
        dry = subprocess.run(command, capture_output=True, text=True, check=False)
        print(planned(watch.plans(), dry.stdout + dry.stderr))
    elif status == 0 and (is_current or _is_newer(results / "index.html", start)):
        print(answer(results))
    return status


def _is_short_of_running(option: str) -> bool:
    """Return whether Snakemake runs no jobs with this option. Snakemake accepts abbreviations of long options."""
    name = option.partition("=")[0]
    if name.startswith("--"):
        return len(name) > 2 and any(one.startswith(name) for one in STARTS_NO_JOB)
    return STARTS_NO_JOB_SHORT.match(name) is not None


def _is_newer(file: Path, start: float) -> bool:
    return file.is_file() and file.stat().st_mtime >= start


def _config(config: Path, options: Sequence[str]) -> dict[str, Any]:
    """Read a config. Raises InvalidInput if it cannot be what the user means."""
    import yaml

    from foolflow.workflow.config.syntax import syntax_problem

    if not config.is_file() and any(option.endswith((".yaml", ".yml")) for option in options):
        raise InvalidInput(f"{config} is not a file; write the config first, then Snakemake's options")
    if not config.is_file():
        raise InvalidInput(f"{config} does not exist; write a config such as\n\n{EXAMPLE}")
    if problem := syntax_problem(config):
        raise InvalidInput(problem)
    try:
        read: Any = yaml.safe_load(config.read_text(encoding="utf-8"))  # as Snakemake does
    except (ValueError, yaml.YAMLError) as error:  # such as UTF-16, an unknown tag, or a date that does not exist
        raise InvalidInput(f"{config} cannot be read: {in_one_line(error)}; plain YAML in UTF-8 is needed") from error
    studies = read.get("studies")
    if not isinstance(studies, dict) or "robustness" not in studies:
        raise InvalidInput(f"{config}: `studies` has no `robustness`, which this command runs, such as\n\n{EXAMPLE}")
    return dict(read)


def _results(read: dict[str, Any], options: Sequence[str]) -> Path:
    """Return the results folder of a config that was read."""
    words = [option.removeprefix("--config=").removeprefix("-C") for option in options]
    chosen = [word.removeprefix("results=") for word in words if word.startswith("results=")]
    return Path(str([read.get("results", "results"), *chosen][-1]))


def _snakemake(target: str, config: Path, options: Iterable[str]) -> list[str]:
    """Return the command. The target comes first, because --configfile would take it for another file."""
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(project_folder() / "Snakefile")]
    command += ["--replace-workflow-config", "--configfile", str(config)]
    somewhere = any(option.split("=")[0] in WHERE or option[:2] in ("-c", "-j") for option in options)
    return [*command, *([] if somewhere else ["--cores", "all"]), *options]


def _cores(options: Sequence[str]) -> int:
    """Return how many jobs run at a time, as far as the options tell."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cores", "-c", "--jobs", "-j", nargs="?")
    value = parser.parse_known_args(options)[0].cores or "all"
    return int(value) if value.isdigit() else os.cpu_count() or 1


def _run(command: Sequence[str], watch: Any) -> tuple[int, bool]:
    """Run Snakemake. Show its messages above one line with the progress.

    Return the exit status, and whether all files were up to date before. Raises KeyboardInterrupt once Snakemake has
    ended after Ctrl-C.
    """
    nothing_to_do = threading.Event()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as job:
        assert job.stdout is not None
        reader = threading.Thread(target=_pass_on, args=(job.stdout, watch, nothing_to_do), daemon=True)
        reader.start()
        interrupted = False
        while True:
            try:
                _follow(job, watch)
                reader.join()
                break
            except KeyboardInterrupt:  # Snakemake has received it, too, and ends its jobs
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                interrupted = True
    watch.close(failed=job.returncode != 0 and not interrupted)
    if interrupted:
        raise KeyboardInterrupt
    return job.returncode, nothing_to_do.is_set()


def _follow(job: subprocess.Popen[str], watch: Any) -> None:
    """Show the progress until Snakemake ends."""
    while True:
        try:
            job.wait(timeout=1)
            return
        except subprocess.TimeoutExpired:
            watch.update()


def _pass_on(lines: IO[str], watch: Any, nothing_to_do: threading.Event) -> None:
    for line in lines:
        watch.heard(line.rstrip("\n"))
        if line.startswith(NOTHING_TO_DO):
            nothing_to_do.set()


if __name__ == "__main__":
    sys.exit(main())
