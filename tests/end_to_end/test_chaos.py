"""A short version of `make chaos`: R4's modified data set, killed three times on its way."""

import re

from tests.end_to_end.conftest import make

TARGET = "results/demo/evaluations/digits/lenet/none/0/modified/fgsm_sweep/0.25.json"


def test_killed_at_random_moments_it_ends_like_an_undisturbed_run(demo, root):
    """In another folder and on one core, unlike the demo.

    Snakemake takes seconds to start its first job: if the kills were less than 8 seconds apart, they would hit no job.
    Seed 573 kills everything, then Snakemake alone, then a job, each after more than 5 seconds.
    """
    short = f"--kills 3 --seed 573 --longest 8 --cores 1 --reference {demo.results} --targets {TARGET}"
    output = make(root, "chaos", f"ARGS={short}").stdout
    assert re.search(r"^([3-9]|\d\d+) kills ", output, re.MULTILINE)
    (checked,) = re.findall(
        r"^([\d,]+) checks of artefacts in between, every one whole and equal$", output, re.MULTILINE
    )
    assert checked != "0"
