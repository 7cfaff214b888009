"""Shared fixtures: the root of the repository, a small victim that trains in a second, and a browser."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from foolflow.data.divide import divide
from foolflow.data.readers import digits
from foolflow.jobs.progress import Progress
from foolflow.models.victims import build_model
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe

# The time of an example says nothing about its correctness, and it depends on the load of the machine.
settings.register_profile("foolflow", deadline=None)
settings.load_profile("foolflow")

ROOT = Path(__file__).resolve().parents[1]
DIGITS = {"channels": 1, "size": 28, "classes": 10}
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1000",
)


# The tests in these folders share fixtures that take minutes to set up: the demo, a cluster.
SHARING = ("tests/end_to_end/", "tests/slurm/")
# These files do without, or need only the files of the demo, of which each process gets a copy. The longest are first.
WITHOUT_DEMO = ("own_model", "docs", "anywhere", "overlays", "user_data", "gpus")
WITH_A_COPY = ("faults", "shards", "chaos", "makefile")
APART = tuple(f"tests/end_to_end/test_{name}.py" for name in (*WITHOUT_DEMO, *WITH_A_COPY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--numprocesses`, run the tests of such a folder, or else those of a file, in the same process.

    xdist hands them out by their number of tests. The longest go first, so that both processes end at about the same
    time.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folders = [folder for folder in SHARING if file.startswith(folder) and file not in APART]
            return folders[0] if folders else file

        def _assign_work_unit(self, node: Any) -> None:
            if first := next((scope for scope in (*SHARING, *APART) if scope in self.workqueue), None):
                self.workqueue.move_to_end(first, last=False)
            super()._assign_work_unit(node)

    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:  # two threads wait for each other if other programs run
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:  # what the body of a test draws does not depend on the tests before it
    torch.manual_seed(1234)  # 0 is the seed of some probes


@pytest.fixture(autouse=True)
def _own_path(monkeypatch) -> None:  # Foolflow appends the folders of user files, which other tests must not find
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@dataclass(frozen=True)
class Trained:
    """A LeNet trained on digits, in eval mode, and its test images: float32 in [0, 1]."""

    model: nn.Module
    images: Tensor
    labels: Tensor


@pytest.fixture(scope="session")
def digits_splits() -> dict:
    return divide(digits.read({}, ROOT), {"source": "digits", "val": 197, "test": 500}, seed=7)


@pytest.fixture(scope="session")
def trained(digits_splits) -> Trained:
    torch.manual_seed(0)
    model = build_model({"architecture": "lenet.LeNet"}, DIGITS)
    recipe = Recipe(epochs=12, learning_rate=0.004, schedule="one_cycle", precision="float32")
    train(
        model,
        labelled(digits_splits["train"]),
        labelled(digits_splits["val"]),
        recipe,
        seed=1,
        progress=Progress("training", "epochs", write=lambda _: None),
    )
    test = digits_splits["test"]
    return Trained(model, torch.from_numpy(test.images).float() / 255, torch.from_numpy(test.labels))


def labelled(split) -> Labelled:
    return Labelled(torch.from_numpy(split.images), torch.from_numpy(split.labels))


class Affine(nn.Module):
    """Logits W x + b on flattened images. All boundaries are hyperplanes, so minimal perturbations are known."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


def random_affine(seed: int, classes: int = 5, shape: tuple[int, int, int] = (1, 4, 4)) -> Affine:
    generator = torch.Generator().manual_seed(seed)
    pixels = int(np.prod(shape))
    return Affine(torch.randn(classes, pixels, generator=generator), torch.randn(classes, generator=generator))


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    if not CHROMIUM or not DRIVER:
        pytest.skip("Debian's packages chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in QUIET:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=webdriver.ChromeService(DRIVER), options=options)
    yield driver
    driver.quit()
