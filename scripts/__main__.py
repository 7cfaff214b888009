"""Run one of the programs in this folder as a job: `python scripts train --help`.

A small parent process waits for the job. If a signal kills the job, the parent explains it.
"""

import runpy
import sys
from pathlib import Path

# Python puts this folder first on the path. Replace it by its parent, which holds `scripts` and, in a clone, foolflow.
FOLDER = Path(__file__).resolve().parent
sys.path[0] = str(FOLDER.parent)

from foolflow.jobs.supervision import continue_in_child, leave  # noqa: E402
from foolflow.jobs.terminal import redirect_to  # noqa: E402

if __name__ == "__main__":
    programs = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in programs:
        sys.exit(f"usage: python scripts {{{','.join(programs)}}} ...")
    name = sys.argv.pop(1)
    sys.argv[0] = f"scripts/{name}.py"
    continue_in_child()
    if "--log" in sys.argv[1:-1]:  # before the imports, whose errors belong in the log, too
        redirect_to(Path(sys.argv[sys.argv.index("--log") + 1]))
    runpy.run_module(f"scripts.{name}", run_name="__main__", alter_sys=False)
    leave()
