"""An attack that is divided among jobs leaves what an undivided one leaves."""

SET = "attacks/digits/lenet/none/0/fgsm_sweep"
RECORDS = "judgements/fgsm_sweep/digits/lenet/none/0/records.parquet"


def test_the_same_bytes_for_every_number_of_shards(demo, fresh):
    """500 images are two batches: of three shards, one has nothing to do."""
    for shards in (2, 3):
        (fresh.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}}}}}\n")
        overlay = ("--configfile", "mine.yaml")
        done = fresh.snakemake("--cores", "2", f"results/demo/{RECORDS}", *overlay)
        assert f"attack_shard {shards}" in " ".join((done.stdout + done.stderr).split())
        for name in (f"{SET}/adversarial.safetensors", RECORDS):
            assert (fresh.results / name).read_bytes() == (demo.results / name).read_bytes(), name
        assert not (fresh.results / SET / "shards").exists() or not any((fresh.results / SET / "shards").rglob("*.*"))
