"""The command `foolflow`: `foolflow evaluate mine.yaml` runs the studies of a config and shows the answer.

It is the same as `snakemake page --replace-workflow-config --configfile mine.yaml`, with the project's Snakefile, all
cores, one progress line, and the table of the study `robustness` at the end. Every other option is passed on to
Snakemake.
"""

import argparse
import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from foolflow.errors import InvalidInput
from foolflow.workflow.project import project_folder

SNAKEMAKE = 'Snakemake is not installed; it is in the extra `workflow`: pip install "foolflow[workflow]"'
QUIET = ("--quiet", "host", "progress", "reason", "rules")  # not `all`, which would hide errors in the config
WHERE = ("--cores", "-c", "--jobs", "-j", "--profile", "--executor", "-e")  # options that say where jobs run
SHORT_OF_RUNNING = ("-n", "--dry-run", "--dryrun", "--unlock", "--summary", "-S", "--list", "-l", "--lint", "--help")
EXAMPLE = """models:   { mine: { torchvision: resnet18, weights: resnet18.pth } }
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
        epilog=f"A config needs no more than this:\n\n{EXAMPLE}",
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


def _evaluate(config: Path, options: Sequence[str], *, plan: bool) -> int:
    if importlib.util.find_spec("snakemake") is None:
        raise InvalidInput(SNAKEMAKE)
    results = _results(config)
    os.environ["FOOLFLOW_COMMAND"] = f"foolflow evaluate {shlex.quote(str(config))}"  # the page shows how to repeat it
    if any(option in SHORT_OF_RUNNING for option in options):
        return subprocess.run(_snakemake("page", config, options), check=False).returncode
    from foolflow.workflow.answer import answer, planned
    from foolflow.workflow.watching import Watch

    watch = Watch(results, _cores(options), sys.stderr)
    # The plan comes first and alone: Snakemake then sees which attacks' numbers of images have changed, and runs only
    # those again.
    status = _run(_snakemake("plan", config, [*options, *QUIET]), watch)
    if status == 0 and not plan:
        watch.planned()
        status = _run(_snakemake("page", config, [*options, *QUIET]), watch)
    if status == 0 and plan:
        command = _snakemake("page", config, [*options, "--dry-run", "--quiet", "rules"])
        dry = subprocess.run(command, capture_output=True, text=True, check=False)
        print(planned(watch.plans(), dry.stdout + dry.stderr))
    elif status == 0:
        print(answer(results))
    return status


def _results(config: Path) -> Path:
    """Return the results folder of a config. Raises InvalidInput if it cannot be what the user means."""
    import yaml

    from foolflow.workflow.config.syntax import syntax_problem

    if not config.is_file():
        raise InvalidInput(f"{config} does not exist; write a config such as\n\n{EXAMPLE}")
    if problem := syntax_problem(config):
        raise InvalidInput(problem)
    read: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
    studies = read.get("studies")
    if not isinstance(studies, dict) or "robustness" not in studies:
        raise InvalidInput(f"{config}: `studies` has no `robustness`, which this command runs, such as\n\n{EXAMPLE}")
    return Path(str(read.get("results", "results")))


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


def _run(command: Sequence[str], watch: Any) -> int:
    """Run Snakemake. Show its messages above one line with the progress."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as job:
        assert job.stdout is not None
        reader = threading.Thread(target=_pass_on, args=(job.stdout, watch), daemon=True)
        reader.start()
        interrupted = False
        while True:
            try:
                job.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                watch.update()
            except KeyboardInterrupt:  # Snakemake has received it, too, and ends its jobs
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                interrupted = True
        reader.join()
    watch.close(failed=job.returncode != 0 and not interrupted)
    if interrupted:
        watch.message("interrupted; run the same command again to go on")
        return 128 + signal.SIGINT
    return job.returncode


def _pass_on(lines: IO[str], watch: Any) -> None:
    for line in lines:
        watch.heard(line.rstrip("\n"))


if __name__ == "__main__":
    sys.exit(main())
