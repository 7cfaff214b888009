"""Compare the demo with and without Slurm (`make slurm-demo`). `make test` runs a small part of it."""

import os
import re

import pytest

from tests.end_to_end.conftest import copy_project, make
from tests.slurm.cluster import missing_programs
from tests.slurm.conftest import same_artefacts

# The targets to build; `demo` builds everything.
TARGETS = os.environ.get("FOOLFLOW_SLURM_DEMO", "").split()


@pytest.mark.skipif(not TARGETS, reason="`make slurm-demo` runs it")
def test_slurm_gives_the_same_images_networks_and_judgements_as_a_local_run(root, submitter, tmp_path):
    submitter.run("--config", "device=cpu", "--", *TARGETS)
    local = copy_project(root, tmp_path / "foolflow")
    local.snakemake("--cores", "2", *TARGETS)
    # Tables and figures are made from these files, and some contain timings.
    compared = same_artefacts(local, submitter.project, ".safetensors", ".parquet")
    assert compared > (100 if TARGETS == ["demo"] else 0)


@pytest.mark.skipif(bool(TARGETS), reason="this is the run that the test would start")
def test_make_slurm_demo_compares_a_part_of_the_demo(root):
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    images = "results/demo/data/digits/test.safetensors"  # test_slurm.py compares networks, attacks and judgements
    output = make(root, "slurm-demo", f"TARGETS={images}").stdout
    assert re.search(r"\b1 passed, \d+ skipped", output)
