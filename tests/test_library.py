"""The library without the workflow: it works where Snakemake and what only the workflow needs are not installed."""

import os
import subprocess
import sys
import tomllib

import pytest
import torch
from packaging.requirements import Requirement

import foolflow
from foolflow.models.victims import build_victim, save_victim

# The modules of the distributions in the extra `workflow` that are called differently.
MODULES = {"pyyaml": "yaml"}

# Hide the packages from Python, as if they were not installed. torch asks for some of them and does without.
HIDE = """
import sys
HIDDEN = set({hidden})

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.path.insert(0, {root!r})
torch_needs = {{"filelock", "jinja2"}}  # which torch itself depends on
for name in HIDDEN - torch_needs:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{{name}} is not hidden")
import torch
torch.set_num_threads(1)
"""

ATTACKED = """
import foolflow
victim = foolflow.load_victim("victim.safetensors")
images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
labels = victim(images).argmax(1)
found = foolflow.attacks.{attack}(victim, images, labels, {call})
assert found.images.shape == images.shape, found.images.shape
assert found.images.isfinite().all()
"""
# How each attack is called. One that is not listed takes an epsilon.
CALLS = {
    "automatic": "steps=10",
    "deepfool": "",
    "dichotomy": "steps=10",
    "pgd_undetected": "epsilon=0.3, steps=3, squeezers=[{'method': 'median_filter', 'parameters': {'size': 2}}]",
    "stadv": "steps=5, restarts=1, tau=0.05",
    "stadv_students": "targets=(labels + 1) % 3, max_evaluations=20",
}
# Run each piece of code as if it were the first: an import that works only after another one fails here.
FROM_SCRATCH = """
import traceback
failed = []
for name, code in {pieces!r}.items():
    for module in [module for module in sys.modules if module.partition(".")[0] == "foolflow"]:
        del sys.modules[module]
    try:
        exec(code, {{"torch": torch}})
    except BaseException:
        failed.append(name)
        traceback.print_exc()
if failed:
    raise SystemExit(f"failed: {{failed}}")
"""
# Other ways into the library, by what they show. Each is a few lines that must run.
ENTRY_POINTS = {
    "every public name": "import foolflow\nfor name in dir(foolflow): getattr(foolflow, name)",
    "the models": (
        "from foolflow.models import alex_net, caps_net, cnn, inception, lenet, mlp, six_conv\n"
        "from foolflow.models import stadv, stadv_students, victims"
    ),
    "the defenses": "from foolflow.defenses import bit_depth, filtered, jpeg, median_filter, squeezing",
    "training": "from foolflow.training import loop, recipe",
    "judging": "from foolflow.attacks import judging",
    "the readers": "from foolflow.data.readers import digits, folder, npz\nfrom foolflow.data import splits",
    "evaluate": (
        "import foolflow\nvictim = foolflow.load_victim('victim.safetensors')\nimages = torch.rand(4, 1, 8, 8)\n"
        "found = foolflow.evaluate(victim, images, victim(images).argmax(1), attacks=['noise', 'pgd'])\n"
        "assert len(found.summary()) == 4\nfound.show(2)"
    ),
    "statistics": "from foolflow.statistics import detection, intervals, masking, minimal, paired, robustness",
    "figures": "from foolflow.figures import attack_sheet, board, flow_arrows, images, perturbation, transfer_matrix",
    "a user's own function": "from foolflow.workflow.plugins import load_object\nload_object('mine.py:one')()",
}


@pytest.fixture(scope="module")
def library(root, tmp_path_factory):
    """A function that runs code in a folder with a victim, where the extra `workflow` is not installed."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extra = [Requirement(line).name for line in project["optional-dependencies"]["workflow"]]
    hidden = sorted(MODULES.get(name, name) for name in extra)
    assert {"snakemake", "jsonschema", "yaml", "filelock", "jinja2", "tabulate", "pyarrow"} <= set(hidden)
    folder = tmp_path_factory.mktemp("library")
    torch.manual_seed(0)
    model, shape = {"architecture": "mlp.MLP", "arguments": {"widths": [16]}}, {"channels": 1, "size": 8, "classes": 3}
    save_victim(folder / "victim.safetensors", build_victim(model, {}, shape), model=model, defense={}, shape=shape)
    (folder / "mine.py").write_text("def one():\n    return 1\n")
    before = HIDE.format(hidden=hidden, root=str(root))

    def run(code):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [sys.executable, "-c", before + code]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_the_library_is_used_without_the_workflow(library):
    done = library(FROM_SCRATCH.format(pieces=ENTRY_POINTS))
    assert done.returncode == 0, done.stderr


def test_every_attack_runs_without_the_workflow(library):
    attacks = dir(foolflow.attacks)
    assert set(CALLS) <= set(attacks)
    pieces = {attack: ATTACKED.format(attack=attack, call=CALLS.get(attack, "epsilon=0.3")) for attack in attacks}
    done = library(FROM_SCRATCH.format(pieces=pieces))
    assert done.returncode == 0, done.stderr


def test_what_is_hidden_is_hidden(library):
    """Otherwise the tests above would show nothing."""
    done = library("import foolflow.workflow.config.schema")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named" in done.stderr
