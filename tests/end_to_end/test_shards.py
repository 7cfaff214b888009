"""An attack that is divided among jobs leaves what an undivided one leaves."""

import pytest

from tests.end_to_end.conftest import copy_project

FOLDER = "attacks/digits/lenet/none/0/fgsm_sweep"
SET = f"{FOLDER}/adversarial.safetensors"


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project in which the network is trained once and attacked again and again."""
    return copy_project(root, tmp_path_factory.mktemp("shards") / "foolflow")


def test_the_same_bytes_for_shards(demo, project):
    (project.folder / "mine.yaml").write_text("attacks: {fgsm_sweep: {shards: 2}}\n")
    check(demo, project, expected="attack_shard 2")


def test_the_same_bytes_for_shards_that_are_gathered_in_groups(demo, project):
    """500 images are two batches: of three shards, one has nothing to do."""
    (project.folder / "mine.yaml").write_text("attacks: {fgsm_sweep: {shards: 3, batch_size: 250}}\n")
    with project.edited("foolflow/workflow/grouping.py", "MOST_PARTS = 100", "MOST_PARTS = 2"):
        check(demo, project, expected="gather_shards 2")


def check(demo, project, expected):
    (project.results / SET).unlink(missing_ok=True)
    done = project.snakemake("--cores", "2", f"results/demo/{SET}", "--configfile", "mine.yaml")
    assert expected in " ".join((done.stdout + done.stderr).split())
    assert (project.results / SET).read_bytes() == (demo.results / SET).read_bytes()
    shards = project.results / FOLDER / "shards"
    assert not shards.exists() or not any(shards.rglob("*.*"))
