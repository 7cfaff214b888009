"""A short version of `make chaos`: R4's figure, killed five times on its way."""

import re

from tests.end_to_end.conftest import make


def test_killed_at_random_moments_it_ends_like_an_undisturbed_run(demo, root):
    short = f"--kills 5 --longest 8 --reference {demo.results} --targets results/demo/figures/fgsm_sweep.png"
    output = make(root, "chaos", f"ARGS={short}").stdout
    assert re.search(r"^5 kills ", output, re.MULTILINE)
    (checked,) = re.findall(
        r"^([\d,]+) checks of artefacts in between, every one whole and equal$", output, re.MULTILINE
    )
    assert checked != "0"
