"""The whole demo through Slurm: `make slurm-demo`. No part of `make test`, beside which it takes too long."""

import os

import pytest

from tests.end_to_end.conftest import copy_project
from tests.slurm.conftest import same_artefacts

pytestmark = pytest.mark.skipif("FOOLFLOW_SLURM_DEMO" not in os.environ, reason="`make slurm-demo` runs it")


def test_the_whole_demo_makes_the_images_and_networks_of_a_local_run(root, submitter, tmp_path):
    submitter.run("--config", "device=cpu")
    local = copy_project(root, tmp_path / "foolflow")
    local.snakemake("--cores", "2")
    # Tables and figures are made of these, and some tell how long something took.
    assert same_artefacts(local, submitter.project, ".safetensors", ".parquet") > 100
