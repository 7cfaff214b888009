"""An attack that is divided among jobs leaves what an undivided one leaves."""

import pytest

from tests.end_to_end.conftest import copy_project

FOLDER = "attacks/digits/lenet/none/0/fgsm_sweep"
SET = f"{FOLDER}/adversarial.safetensors"


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project in which the network is trained once and attacked again and again."""
    return copy_project(root, tmp_path_factory.mktemp("shards") / "foolflow")


@pytest.mark.parametrize("shards", [2, 3])
def test_the_same_bytes_for_every_number_of_shards(demo, project, shards):
    """500 images are two batches: of three shards, one has nothing to do."""
    (project.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}}}}}\n")
    check(demo, project, expected=f"attack_shard {shards}")


@pytest.mark.parametrize("shards", [3, 8])
def test_the_same_bytes_for_shards_that_are_gathered_in_groups(demo, project, shards):
    (project.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}, batch_size: 250}}}}\n")
    with project.edited("foolflow/workflow/grouping.py", "MOST_PARTS = 100", "MOST_PARTS = 2"):
        check(demo, project, expected=f"gather_shards {-(-shards // 2)}")


def check(demo, project, expected):
    (project.results / SET).unlink(missing_ok=True)
    done = project.snakemake("--cores", "2", f"results/demo/{SET}", "--configfile", "mine.yaml")
    assert expected in " ".join((done.stdout + done.stderr).split())
    assert (project.results / SET).read_bytes() == (demo.results / SET).read_bytes()
    shards = project.results / FOLDER / "shards"
    assert not shards.exists() or not any(shards.rglob("*.*"))
