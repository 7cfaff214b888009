"""Jobs that ask for a GPU get one of the machine's each. The GPUs are numbers here; the jobs compute on the CPU."""

import re


def test_two_gpus_are_dealt_out_to_the_jobs_that_ask_for_one(fresh, tmp_path):
    models = ("MLP", "MLP_d", "MLP_bn")
    targets = [f"results/demo/victims/digits/{model}/none/0/weights.safetensors" for model in models]
    machine = {"CUDA_VISIBLE_DEVICES": "4,5", "TMPDIR": str(tmp_path)}
    done = fresh.snakemake(*targets, "--cores", "4", **machine)
    assert re.search(r"gpu=(2|Resource\(.gpu., 2\))", done.stdout + done.stderr)
    logs = [(fresh.results / f"logs/victims/digits/{model}/none/0.log").read_text() for model in models]
    given = [re.search(r"^on GPU (\d)$", log, re.MULTILINE) for log in logs]
    assert all(given), logs
    assert {match[1] for match in given} == {"4", "5"}
    assert "on GPU" not in (fresh.results / "logs/data/digits/split.log").read_text()
