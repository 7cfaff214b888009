"""Pack the records that tables were computed from, and unpack them into a results folder.

    python docs/records.py [--results results]      # unpack docs/results/*/records.zip
    snakemake --cores 2 results/tables/fgsm_sweep.csv

The records of a study are one row per adversarial image, the accuracies on clean images, the training histories, what
each attack took, and what produced all of these. With them, Snakemake computes every table and interval again, and it
neither trains nor attacks. Adversarial images and weights are left out, because they are large; the figures that show
images need them.
"""

import argparse
import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from foolflow.workflow.provenance import FOLDER, producers, read_records, with_dependencies

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "docs/results"
RECORDS = (".parquet", ".json", ".csv")
EXHIBITS = ("tables/", "figures/")  # which are computed from records


def pack(results: Path, artefacts: Iterable[str], archive: Path) -> None:
    """Write the records that these artefacts of a results folder depend on to a zip file: the same bytes each time."""
    known = read_records(results)
    made_by = producers(known)
    jobs = with_dependencies(known, [made_by[artefact] for artefact in artefacts])
    jobs = [job for job in jobs if not job.startswith(EXHIBITS)]
    outputs = [path for job in jobs for path in known[job]["outputs"] if Path(path).suffix in RECORDS]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted([*outputs, *(f"{FOLDER}/{job}.json" for job in jobs)]):
            packed.writestr(zipfile.ZipInfo(path), (results / path).read_bytes(), zipfile.ZIP_DEFLATED)


def unpack(archives: Iterable[Path], results: Path) -> list[Path]:
    """Write the records of the archives to a results folder, and return their paths. Raises FileExistsError if a file
    there is another one. All get one time, so none looks newer than what was computed from it.
    """
    now, found = time.time(), []
    for archive in archives:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                path, content = results / name, packed.read(name)
                if path.exists() and path.read_bytes() != content:
                    raise FileExistsError(f"{path} is of another run")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                os.utime(path, (now, now))
                found.append(path)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    paths = unpack(sorted(PUBLISHED.glob("*/records.zip")), arguments.results)
    print(f"{len(paths):,} files in {arguments.results}")
