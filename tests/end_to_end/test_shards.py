"""An attack that is divided among jobs leaves what an undivided one leaves."""

import pytest

SET = "attacks/digits/lenet/none/0/fgsm_sweep"
RECORDS = "judgements/fgsm_sweep/digits/lenet/none/0/records.parquet"


def test_the_same_bytes_for_every_number_of_shards(demo, fresh):
    """500 images are two batches: of three shards, one has nothing to do."""
    for shards in (2, 3):
        (fresh.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}}}}}\n")
        check(demo, fresh, expected=f"attack_shard {shards}")


@pytest.mark.parametrize("shards", [3, 8])
def test_the_same_bytes_for_shards_that_are_gathered_in_groups(demo, fresh, shards):
    (fresh.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}, batch_size: 250}}}}\n")
    with fresh.edited("foolflow/workflow/grouping.py", "MOST_PARTS = 100", "MOST_PARTS = 2"):
        check(demo, fresh, expected=f"gather_shards {-(-shards // 2)}")


def check(demo, fresh, expected):
    done = fresh.snakemake("--cores", "2", f"results/demo/{RECORDS}", "--configfile", "mine.yaml")
    assert expected in " ".join((done.stdout + done.stderr).split())
    for name in (f"{SET}/adversarial.safetensors", RECORDS):
        assert (fresh.results / name).read_bytes() == (demo.results / name).read_bytes(), name
    assert not (fresh.results / SET / "shards").exists() or not any((fresh.results / SET / "shards").rglob("*.*"))
