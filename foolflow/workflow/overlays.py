"""Read several config files, each of which overrides the previous one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from foolflow.workflow.config.syntax import syntax_problem


def load_configs(workflow: Any, files: Iterable[Path]) -> None:
    """Read the config files in order. Each overrides the previous one, and `--configfile` overrides all of them.

    Raises WorkflowError with one line if a file is not YAML or has no keys.
    """
    for file in files:
        if problem := syntax_problem(Path(file)):
            raise WorkflowError(f"config: {problem}")
        workflow.configfile(str(file))
