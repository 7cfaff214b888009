"""Small synthetic results, and a page that shows nothing but the explorer of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader

from foolflow.data.adversarial import AdversarialSet
from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import VICTIM
from foolflow.data.splits import Split
from foolflow.pages.gallery import Gallery
from tests.saving import save_set, save_split

DIGITS = ("zero", "one", "two")
HOSTILE = ("</script><img src=x onerror=alert(1)>", "שלום עולם", "a name that is far longer than any thumbnail is wide")
FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Explorer</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.45 system-ui, sans-serif; margin: 1rem; background: #fff; color: #1b1f24; }
  main { max-width: 84rem; margin: auto; }
  @media (prefers-color-scheme: dark) { body { background: #14181d; color: #e6e9ed; } }
{% include "explorer.css" %}
</style>
<main>
<h1>Results</h1>
<p id="links"></p>
{% include "explorer.html" %}
</main>
{% include "explorer_data.html" %}
</html>
"""


@dataclass(frozen=True)
class Attack:
    """A synthetic attack. Each index has one row per epsilon and target. flow: whether the set has a flow."""

    name: str
    epsilons: Sequence[float] = (float("nan"),)
    targets: Sequence[int] = (-1,)
    flow: bool = False


@dataclass
class World:
    """Results in a folder: files by kind, and the cells of all judgements."""

    folder: Path
    files: dict[str, list[Path]] = field(default_factory=lambda: {"splits": [], "judgements": [], "adversarial": []})
    cells: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    stored: dict[tuple, AdversarialSet] = field(default_factory=dict)

    @property
    def artefacts(self) -> Artefacts:
        return Artefacts(self.files)

    def made(self, cell: Mapping[str, Any]) -> AdversarialSet:
        """Return the adversarial set of a cell."""
        source = cell.get("source") or f"{cell['model']}/{cell['defense']}"
        return self.stored[(cell["dataset"], *source.split("/"), cell["seed"], cell["attack"])]

    def _path(self, kind: str, path: str) -> Path:
        self.files[kind].append(self.folder / path)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / path

    def add_dataset(
        self, name: str, names: Sequence[str] = DIGITS, shape: tuple[int, int, int] = (1, 12, 12), count: int = 12
    ) -> None:
        """Add a data set in which the position of a bright square determines the class."""
        height, width = shape[1:]
        rng = np.random.default_rng(len(self.images))
        images = rng.integers(0, 60, (count, *shape)).astype(np.uint8)
        labels = np.arange(count) % len(names)
        for number, label in enumerate(labels):
            top, left = (label * 3) % max(1, height - 3), (label * 5) % max(1, width - 3)
            images[number, :, top : top + max(1, height // 2), left : left + max(1, width // 2)] = 200
        self.images[name], self.labels[name] = images, labels
        save_split(self._path("splits", f"data/{name}/test.safetensors"), Split(images, labels, tuple(names)))

    def add_set(
        self, dataset: str, victim: tuple[str, str, int], attack: Attack, indices: Sequence[int] | None = None
    ) -> None:
        """Add an adversarial set, made on a victim (model, defense, seed)."""
        clean = self.images[dataset]
        chosen = np.arange(len(clean)) if indices is None else np.asarray(indices)
        labels = self.labels[dataset]
        rows = [(e, t, i) for e in attack.epsilons for t in attack.targets for i in chosen if labels[i] != t]
        epsilon, target, index = (np.array(column) for column in zip(*rows, strict=True))
        rng = np.random.default_rng([len(self.stored), 7])
        size = np.where(np.isnan(epsilon), 0.1, epsilon)[:, None, None, None]
        images = np.clip(clean[index] / 255 + size * rng.choice([-1, 1], clean[index].shape), 0, 1)
        tensors = {
            "images": images.astype(np.float32),
            "index": index.astype(np.int64),
            "epsilon": epsilon.astype(np.float64),
            "target": target.astype(np.int64),
            "iterations": np.full(len(index), 10),
            "gradient_evaluations": np.full(len(index), 11),
        }
        if attack.flow:
            across = np.linspace(0, np.pi, clean.shape[3])
            wave = np.broadcast_to(np.sin(across), (len(index), *clean.shape[2:]))
            tensors["flow"] = np.stack([0.5 * wave + 0.4, -0.25 + 0 * wave], 1).astype(np.float32)
            tensors["flow_loss"] = np.linspace(1, 2, len(index))
        made = AdversarialSet(tensors)
        model, defense, seed = victim
        self.stored[(dataset, model, defense, seed, attack.name)] = made
        at = f"attacks/{dataset}/{model}/{defense}/{seed}/{attack.name}/adversarial.safetensors"
        save_set(self._path("adversarial", at), made)

    def judge(
        self,
        dataset: str,
        victim: tuple[str, str, int],
        judged: Sequence[tuple[str, str | None]],
        names: Sequence[str] = DIGITS,
        study: str = "robustness",
    ) -> None:
        """Add the victim's judgement of sets, each named by its attack and its source."""
        model, defense, seed = victim
        cell = {"dataset": dataset, "model": model, "defense": defense, "seed": seed}
        tables = []
        for attack, source in judged:
            full = {**cell, "attack": attack, "source": source, "study": study}
            self.cells.append(full)
            records = self._records(full, len(names))
            tables.append(records.assign(attack=attack, source=source or f"{model}/{defense}"))
        table = pd.concat(tables, ignore_index=True)
        table.attrs["class_names"] = list(names)
        at = "/".join(str(cell[key]) for key in VICTIM)
        table.to_parquet(self._path("judgements", f"judgements/{study}/{at}/records.parquet"))

    def _records(self, cell: Mapping[str, Any], classes: int) -> pd.DataFrame:
        """Return a judgement: a quarter of the images is fooled at each epsilon, one in ten is wrong before."""
        made = self.made(cell)
        tensors = made.tensors
        count, index = len(made), np.array(tensors["index"])
        labels = self.labels[cell["dataset"]][index]
        rng = np.random.default_rng([len(self.cells), 3])
        strength = np.nan_to_num(np.array(tensors["epsilon"]), nan=0.2)
        clean_logits = _logits(labels, classes, 2 + 0 * strength, index)
        clean_logits[index % 10 == 9] *= -1
        logits = _logits(labels, classes, 2 - 14 * strength * (0.5 + index % 4 / 4), index)
        reached = (tensors["target"] >= 0) & (index % 2 == 0)
        logits[np.flatnonzero(reached), tensors["target"][reached]] += 9
        columns: dict[str, Any] = {name: tensors[name] for name in ("index", "epsilon", "target")}
        columns |= {"label": labels, **_likely("clean_", clean_logits), **_likely("", logits)}
        own = np.take_along_axis(logits, labels[:, None], 1)[:, 0]
        others = np.where(np.arange(classes) == labels[:, None], -np.inf, logits).max(1)
        difference = made.images(slice(None)) - self.images[cell["dataset"]][index] / np.float32(255)
        flat = difference.reshape(count, -1)
        columns |= {
            "margin": own - others,
            "l0": (np.abs(difference) > 1e-6).any(1).reshape(count, -1).sum(1),
            "l2": np.linalg.norm(flat, axis=1) * (1 + rng.random(count) / 10),
            "linf": np.abs(flat).max(1),
            "ssim": 1 - np.abs(flat).mean(1),
            "iterations": tensors["iterations"],
            "gradient_evaluations": tensors["gradient_evaluations"],
        }
        if "flow_loss" in tensors:
            columns["flow_loss"] = tensors["flow_loss"]
        return pd.DataFrame(columns)


def _logits(labels: np.ndarray, classes: int, margin: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return logits in which the label leads by about `margin`, and the next class follows."""
    logits = np.tile(-np.arange(classes, dtype=float) / classes, (len(labels), 1))
    logits[np.arange(len(labels)), (labels + 1 + index % 2) % classes] = 1
    logits[np.arange(len(labels)), labels] = 1 + margin
    return logits


def _likely(prefix: str, logits: np.ndarray) -> dict[str, np.ndarray]:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    columns = {}
    for place in range(5):
        known = place < logits.shape[1]
        chosen = order[:, place] if known else np.full(len(logits), -1)
        suffix = "" if place == 0 else f"_{place + 1}"
        columns[f"{prefix}prediction" if place == 0 else f"{prefix}class{suffix}"] = chosen
        share = shares[np.arange(len(logits)), chosen] if known else np.full(len(logits), np.nan)
        columns[f"{prefix}confidence{suffix}"] = share
    return columns


def small_world(folder: Path, names: Sequence[str] = DIGITS, **dataset: Any) -> World:
    """Return two victims with four attacks, one of them with a flow, one with targets, and one transferred set."""
    world = World(folder)
    world.add_dataset("digits", names, **dataset)
    attacks = [
        Attack("fgsm", (0.05, 0.1, 0.2)),
        Attack("pgd", (8 / 255,)),
        Attack("stadv", flow=True),
        Attack("targeted", targets=(0, 1)),
    ]
    lenet, squeezed = ("lenet", "none", 0), ("lenet", "squeezed", 0)
    for attack in attacks:
        world.add_set("digits", lenet, attack)
    world.add_set("digits", squeezed, attacks[1])
    world.judge("digits", lenet, [(attack.name, None) for attack in attacks], names)
    world.judge("digits", squeezed, [("pgd", None), ("pgd", "lenet/none"), ("fgsm", "lenet/none")], names, "defenses")
    return world


def page(gallery: Gallery) -> str:
    """Return a page with the explorer in a minimal frame."""
    environment = Environment(loader=PackageLoader("foolflow.pages"), autoescape=True)
    return environment.from_string(FRAME).render(gallery=gallery)


def command(cell: Mapping[str, Any]) -> str:
    return f"snakemake results/attacks/{cell['dataset']}/{cell['model']}/{cell['attack']}/adversarial.safetensors"
