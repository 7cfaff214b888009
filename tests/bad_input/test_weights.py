"""Weights, splits and results that are damaged, foreign or hostile."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from foolflow.data.splits import Split
from foolflow.models.victims import build_victim, load_victim, save_victim
from tests.bad_input.conftest import EXECUTED, MODEL, SHAPE, SIZE, Executes, Site, table
from tests.saving import save_split


def weights(content):
    """Replace the bytes of the victim's weights by `content(bytes)`; None removes the file."""

    def make(site: Site) -> list:
        changed = content(site.weights.read_bytes())
        site.weights.unlink() if changed is None else site.weights.write_bytes(changed)
        return site.judge()

    return make


def described(change):
    """Keep the weights but replace their description by `change(description)`; None removes it."""

    def make(site: Site) -> list:
        with safe_open(site.weights, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            description = json.loads(file.metadata()["victim"])
        text = change(description)
        save_file(tensors, site.weights, metadata=None if text is None else {"victim": text})
        return site.judge()

    return make


def shaped(**shape):
    return described(lambda victim: json.dumps(victim | {"shape": victim["shape"] | shape}))


def model(**model):
    return described(lambda victim: json.dumps(victim | {"model": model}))


def defense(**defense):
    return described(lambda victim: json.dumps(victim | {"defense": defense}))


def victim(model: dict, shape: dict, call=Site.judge, change=lambda network: None):
    """Replace the victim by another one."""

    def make(site: Site) -> list:
        network = build_victim(model, {}, shape)
        change(network)
        save_victim(site.weights, network, model=model, defense={}, shape=shape)
        return call(site)

    return make


def not_finite(network: torch.nn.Module) -> None:
    with torch.no_grad():
        next(network.parameters())[0] = torch.nan


def pickled(site: Site) -> list:
    site.weights.write_bytes(pickle.dumps(Executes(site.folder / EXECUTED)))
    return site.judge()


SMALLER = {"architecture": "mlp.MLP", "arguments": {"batch_norm": True}}
FEWER, LARGER = SHAPE | {"classes": 3}, SHAPE | {"size": 2 * SIZE}


@table(
    ("missing", weights(lambda data: None), "weights.safetensors is not a victim saved by foolflow", "No such file"),
    ("empty", weights(lambda data: b""), "weights.safetensors is not a victim saved by foolflow"),
    ("truncated", weights(lambda data: data[:-100]), "weights.safetensors is not a victim saved by foolflow"),
    ("zeros", weights(lambda data: b"\0" * len(data)), "weights.safetensors is not a victim saved by foolflow"),
    ("an endless header", weights(lambda data: b"\xff" * 7 + b"\x7f" + data[8:]), "is not a victim saved by foolflow"),
    ("a pickle", pickled, "weights.safetensors is not a victim saved by foolflow"),
    ("no description", described(lambda victim: None), "is not a victim saved by foolflow: KeyError: 'victim'"),
    ("a description that is not JSON", described(lambda victim: "{"), "is not a victim saved by foolflow"),
    ("a description that is a list", described(lambda victim: "[1]"), "is not a victim saved by foolflow"),
    ("half a description", described(lambda victim: '{"model": {}}'), "is not a victim saved by foolflow"),
    ("no architecture", model(), "is not a victim saved by foolflow: ValueError: invalid model {}"),
    ("an architecture that is a number", model(architecture=5), "ValueError: invalid architecture"),
    ("arguments that are a list", model(architecture="mlp.MLP", arguments=[3]), "ValueError: invalid arguments"),
    ("a method that is a list", defense(method=["jpeg"]), "ValueError: invalid method"),
    ("parameters that are a number", defense(method="jpeg", parameters=75), "ValueError: invalid parameters"),
    ("at that is a number", defense(method="jpeg", at=3), "is not a victim saved by foolflow: TypeError"),
    ("at that is a word", defense(method="jpeg", at="test"), "ValueError: invalid at test"),
    ("a negative size", shaped(size=-8), "invalid shape"),
    ("a size that is a word", shaped(size="8"), "invalid shape"),
    ("an absurd size", shaped(size=10**9), "1 x 1000000000 x 1000000000 pixels and 4 classes; the images have 1 x 8"),
    ("another architecture", victim(SMALLER, SHAPE), "weights of another architecture"),
    (
        "another number of classes",
        victim(MODEL, FEWER),
        "and 3 classes; the images have 1 x 8 x 8 pixels and 4",
    ),
    ("the same, attacked", victim(MODEL, FEWER, Site.run_attack), "and 3 classes; the images have 1 x 8 x 8 pixels"),
    ("another size of images", victim(MODEL, LARGER), "a victim for 1 x 16 x 16 pixels"),
    ("weights that are NaN", victim(MODEL, SHAPE, change=not_finite), "holds weights that are not finite"),
)
def test_weights(refused, case):
    refused(case)


@pytest.mark.parametrize("size", [10**9, 2**40])
def test_the_library_rejects_absurd_shapes_too(site, size):
    """If the images are not known, building the network fails."""
    shaped(size=size)(site)
    with pytest.raises(ValueError, match=r"^[^\n]*(cannot be built|out of memory)[^\n]*$"):
        load_victim(site.weights)


def damaged(call, file: str, change=lambda data: data[: len(data) // 2]):
    """Change a file of the results; None removes it."""

    def make(site: Site) -> list:
        path = site.results / file
        content = change(path.read_bytes())
        path.unlink() if content is None else path.write_bytes(content)
        return call(site)

    return make


def labelled(labels: np.ndarray, images: np.ndarray | None = None):
    """Replace the test split by one with these labels."""

    def make(site: Site) -> list:
        given = np.zeros((len(labels), 1, SIZE, SIZE), np.uint8) if images is None else images
        save_split(site.data / "test.safetensors", Split(given, labels, ("a", "b", "c", "d")))
        return site.run_attack()

    return make


def rewritten(change):
    """Replace the tensors of the adversarial set by `change(tensors)`."""

    def make(site: Site) -> list:
        path = site.attack / "adversarial.safetensors"
        save_arrays(change(load_arrays(path)), path)
        return site.judge()

    return make


def gone(_: bytes) -> None:
    return None


SET = "attacks/tiny/mlp/none/0/fgsm/adversarial.safetensors"
SHARD = "attacks/tiny/mlp/none/0/fgsm/shards/1_of_2"
RECORDS = "judgements/study/tiny/mlp/none/0/records.parquet"
TEST = "data/tiny/test.safetensors"


@table(
    ("missing split", damaged(Site.run_attack, TEST, gone), "test.safetensors is not a split written by foolflow"),
    ("truncated split", damaged(Site.run_attack, TEST), "test.safetensors is not a split written by foolflow"),
    ("labels out of range", labelled(np.arange(8)), "labels go from 0 to 7; with 4 classes they must be 0 to 3"),
    ("no images in it", labelled(np.arange(0)), "test.safetensors: no images"),
    ("missing records", damaged(Site.tabulate, RECORDS, gone), "records.parquet is missing; run the rule that makes"),
    ("truncated records", damaged(Site.tabulate, RECORDS), "records.parquet is not a Parquet file"),
    (
        "a set with rows missing",
        rewritten(lambda tensors: tensors | {"index": tensors["index"][:-1]}),
        "index (19,)",
        "images (20, 1, 8, 8)",
        "run the attack again",
    ),
    (
        "a set without the places of its images",
        rewritten(lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "index"}),
        "is not an adversarial set: it has no index; run the attack again",
    ),
    (
        "a set of images that do not exist",
        rewritten(lambda tensors: tensors | {"index": tensors["index"] + 1000}),
        "adversarial.safetensors was not made from this test split; run the attack again",
    ),
    ("truncated adversarial set", damaged(Site.judge, SET), "adversarial.safetensors is not a safetensors file"),
    (
        "missing adversarial set",
        damaged(Site.judge, SET, gone),
        "adversarial.safetensors is missing; run the rule that",
    ),
    ("the same, exported", damaged(Site.export, SET), "adversarial.safetensors is not a safetensors file"),
    (
        "a truncated shard",
        damaged(Site.gather, f"{SHARD}/adversarial.safetensors"),
        "1_of_2/adversarial.safetensors is not a safetensors file",
    ),
    (
        "truncated JSON",
        damaged(Site.gather, f"{SHARD}/run.json"),
        "run.json is not JSON",
        "remove it and run the rule that makes",
    ),
)
def test_results(refused, case):
    refused(case)


def test_the_error_names_a_missing_file(site):
    with pytest.raises(ValueError, match="nowhere is not a victim saved by foolflow"):
        load_victim("nowhere")
