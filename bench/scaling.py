"""Measure the overhead of the workflow as it grows: `python -m bench.scaling` prints a table.

One attack is divided into 10^2, 10^3 and 10^4 shards. A dry run builds the graph of jobs; a run with an executor that
does nothing (`stub_executor`) measures scheduling and bookkeeping; a second dry run checks the files that exist. The
times are CPU seconds, which do not depend on the load of the machine.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "bench/stub_executor"
TARGET = "results/demo/attacks/digits/lenet/none/0/fgsm_sweep/run.json"
KINDS = {
    "dry run": ["-n", "--quiet", "all"],
    "stub run": ["--executor", "stub", "--cores", "1000", "--quiet", "all"],
    "dry run when all is done": ["-n", "--quiet", "all"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, nargs="+", default=[100, 1000, 10000])
    print("| jobs | " + " | ".join(f"{kind} (CPU s)" for kind in KINDS) + " | a job (CPU ms) | memory (MB) |")
    print("|---" * (len(KINDS) + 3) + "|")
    for shards in parser.parse_args().shards:
        with tempfile.TemporaryDirectory(prefix="foolflow-scaling-") as folder:
            project = copied(Path(folder) / "foolflow", shards)
            costs = [measure(project, arguments) for arguments in KINDS.values()]
            if not (project / TARGET).is_file():
                sys.exit(f"the stub run has not reached {TARGET}, so the numbers are meaningless")
        seconds = [f"{cpu:.1f}" for cpu, _ in costs]
        memory = max(megabytes for _, megabytes in costs)
        each = 1000 * costs[1][0] / shards
        print(f"| {shards:,} | {' | '.join(seconds)} | {each:.0f} | {memory:,.0f} |", flush=True)


def copied(folder: Path, shards: int) -> Path:
    unwanted = shutil.ignore_patterns(".*", "results", "docs", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, folder, ignore=unwanted)
    (folder / "many.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}}}}}\n")
    return folder


def measure(project: Path, arguments: list[str]) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory in MB of one call of Snakemake."""
    command = [sys.executable, "-c", CALL, TARGET, *arguments, "--workflow-profile", "profiles/demo"]
    command += ["--configfile", "many.yaml"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(STUB), str(project)])}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    cpu, kilobytes = done.stdout.splitlines()[-1].split()
    return float(cpu), float(kilobytes) / 1024


# Run Snakemake, then print what it used; a parent process cannot query the resources of one child separately.
CALL = """
import resource, sys
from snakemake.cli import main
try:
    main()
except SystemExit as end:
    status = end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print()
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)
"""


if __name__ == "__main__":
    main()
