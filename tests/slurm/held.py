"""A user's attack that takes as long as a test wants."""

import os
import time
from pathlib import Path

from foolflow.attacks.fgsm import fgsm


def held_fgsm(model, images, labels, *, epsilon):
    """Run FGSM. If FOOLFLOW_HOLD names a folder, log start and end there, and wait for the file `go` in it."""
    folder = os.environ.get("FOOLFLOW_HOLD")
    if folder is None:
        return fgsm(model, images, labels, epsilon=epsilon)
    _note(folder, "start")
    while not (Path(folder) / "go").exists():
        time.sleep(0.1)
    made = fgsm(model, images, labels, epsilon=epsilon)
    _note(folder, "end")
    return made


def _note(folder: str, event: str) -> None:
    with (Path(folder) / "events").open("a") as events:
        events.write(f"{event} {os.environ['SLURM_JOB_ID']}\n")
