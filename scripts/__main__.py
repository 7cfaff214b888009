"""Run one of the programs in this folder as a job: `python scripts train --help`.

A small process stays beside the job and explains the signal that ends it, if one does.
"""

import runpy
import sys
from pathlib import Path

# Python puts this folder first on the path; the programs are `scripts.<name>`, and foolflow may be beside the folder.
FOLDER = Path(__file__).resolve().parent
sys.path[0] = str(FOLDER.parent)

from foolflow.jobs.supervision import continue_in_child, leave  # noqa: E402

if __name__ == "__main__":
    programs = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in programs:
        sys.exit(f"usage: python scripts {{{','.join(programs)}}} ...")
    name = sys.argv.pop(1)
    sys.argv[0] = f"scripts/{name}.py"
    continue_in_child()
    runpy.run_module(f"scripts.{name}", run_name="__main__", alter_sys=False)
    leave()
