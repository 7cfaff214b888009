"""An attack that is divided among jobs leaves what an undivided one leaves."""

SET = "attacks/digits/lenet/none/0/fgsm_sweep"


def test_the_same_bytes_for_every_number_of_shards(demo, fresh):
    """500 images are two batches: of three shards, one has nothing to do."""
    wanted = f"results/demo/{SET}/summary.json"
    for shards in (2, 3):
        (fresh.folder / "mine.yaml").write_text(f"attacks: {{fgsm_sweep: {{shards: {shards}}}}}\n")
        overlay = ("--configfile", "profiles/demo/workflow.yaml", "mine.yaml")
        done = fresh.snakemake("--cores", "2", wanted, *overlay)
        assert f"attack_shard {shards}" in " ".join((done.stdout + done.stderr).split())
        for name in ("adversarial.safetensors", "records.parquet"):
            assert (fresh.results / SET / name).read_bytes() == (demo.results / SET / name).read_bytes(), name
        assert not (fresh.results / SET / "shards").exists() or not any((fresh.results / SET / "shards").rglob("*.*"))
