"""Read the config files that are laid over one another."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from foolflow.workflow.config.syntax import syntax_problem


def lay_over(workflow: Any, files: Iterable[Path]) -> None:
    """Read the config files in order, each over the one before; those of `--configfile` stay on top.

    Raises WorkflowError, in one line, if a file is not YAML or holds no keys.
    """
    for file in files:
        if problem := syntax_problem(Path(file)):
            raise WorkflowError(f"config: {problem}")
        workflow.configfile(str(file))
