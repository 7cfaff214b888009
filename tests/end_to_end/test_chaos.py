"""A short version of `make chaos`: R4's figure, killed five times on its way."""

import json

import pytest

from tests.end_to_end.chaos import disturb


@pytest.mark.parametrize("seed", [0])
def test_killed_at_random_moments_it_ends_as_the_undisturbed_run(demo, fresh, seed):
    reference = json.loads((demo.results / "manifest.json").read_text())
    figure = "results/demo/figures/fgsm_sweep.png"
    outcome = disturb(fresh, reference, kills=5, seed=seed, targets=[figure], longest=8)
    assert outcome.kills.total() == 5
    assert outcome.checked > 0
    assert (fresh.folder / figure).read_bytes() == (demo.folder / figure).read_bytes()
