import os
import random
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from foolflow.attacks.pgd import pgd
from foolflow.defenses.loading import load_hardening
from foolflow.errors import InvalidInput
from foolflow.jobs.progress import Progress
from foolflow.models.victims import build_model
from foolflow.training.checkpoints import load_checkpoint, save_checkpoint
from foolflow.training.loop import Labelled, train
from foolflow.training.recipe import Recipe, learning_rate_factor, make_optimizer
from foolflow.workflow.code_digest import closure
from scripts.train import fingerprint
from tests.conftest import DIGITS, labelled


def progress_to(say):
    return Progress("training", "epochs", write=say)


QUIET = {"progress": progress_to(lambda _: None)}
HARDENING = load_hardening(
    {"method": "adversarial_training", "parameters": {"epsilon": 0.1, "steps": 2, "random_start": True}}
)


def fresh(architecture="lenet.LeNet", **arguments):
    torch.manual_seed(3)
    return build_model({"architecture": architecture, "arguments": arguments}, DIGITS)


def killed_in_epoch(epoch, *arguments, **options):
    """Train until the end of this epoch, before its checkpoint is written."""

    def stop(line):
        if line.startswith(f"epoch {epoch:3d}/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fresh(), *arguments, seed=5, progress=progress_to(stop), **options)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=4, learning_rate=0.003, schedule="one_cycle", weight_decay=0.1),
        Recipe(epochs=4, optimizer="sgd", learning_rate=0.05),
        Recipe(epochs=4, optimizer="sgd", learning_rate=0.05, momentum=0.9, augmentation={"pad": 2, "flip": True}),
        Recipe(epochs=4, augmentation={"pad": 1, "flip": "alternating"}),
    ],
    ids=["adam", "sgd", "momentum", "flips"],
)
def test_a_training_resumed_after_any_epoch_ends_with_the_same_weights(digits_splits, tmp_path, recipe):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    undisturbed = train(fresh(), *data, recipe, seed=5, **QUIET)
    for epochs_before_the_kill in (1, 3):
        checkpoint = tmp_path / f"{epochs_before_the_kill}.safetensors"
        lines = []
        killed_in_epoch(epochs_before_the_kill + 1, *data, recipe, checkpoint=checkpoint)
        resumed = train(fresh(), *data, recipe, seed=5, checkpoint=checkpoint, progress=progress_to(lines.append))
        assert lines[0] == f"resumed after epoch {epochs_before_the_kill} of 4"
        for name, tensor in undisturbed.model.state_dict().items():
            assert torch.equal(tensor, resumed.model.state_dict()[name]), name
        assert [row.val_accuracy for row in resumed.history] == [row.val_accuracy for row in undisturbed.history]


class Drawing(nn.Module):
    """A network that adds noise of PyTorch, NumPy and Python to its images, in eval mode, too."""

    def __init__(self):
        super().__init__()
        self.body = fresh()

    def forward(self, images):
        noise = torch.randn(()) + np.random.standard_normal() + random.gauss(0, 1)
        return self.body(images + 0.1 * noise)


def test_a_training_of_a_random_network_is_repeated_and_resumed_exactly(digits_splits, tmp_path):
    data, recipe = [labelled(digits_splits[name]) for name in ("train", "val")], Recipe(epochs=3)
    checkpoint = tmp_path / "checkpoint.safetensors"
    undisturbed = train(Drawing(), *data, recipe, seed=5, **QUIET)

    def stop(line):
        if line.startswith("epoch   2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Drawing(), *data, recipe, seed=5, checkpoint=checkpoint, progress=progress_to(stop))
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(8)  # another process has another state
    resumed = train(Drawing(), *data, recipe, seed=5, checkpoint=checkpoint, **QUIET)
    for name, tensor in undisturbed.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert [row.val_loss for row in resumed.history] == [row.val_loss for row in undisturbed.history]


class Counting(nn.Module):
    """A network that notes how many images it gets at once in eval mode."""

    def __init__(self, most=None):
        super().__init__()
        self.body, self.most, self.seen = nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), most, []

    def forward(self, images):
        if not self.training:
            self.seen.append(len(images))
            if self.most is not None and len(images) > self.most:
                raise MemoryError
        return self.body(images)


def measured(size, model):
    images = torch.zeros(40, 1, size, size, dtype=torch.uint8)
    data = Labelled(images, torch.arange(40) % 2)
    torch.manual_seed(3)
    model(data.images[:2].float())  # its first weights
    return train(model, data, data, Recipe(epochs=1, batch_size=8), seed=1, hardening=HARDENING, **QUIET)


def test_large_val_images_are_measured_a_few_at_a_time():
    model = Counting()
    measured(400, model)  # 160,000 pixels; 9 images have about as many as 500 of CIFAR-10
    assert max(model.seen) == 9


def test_val_images_that_do_not_fit_in_memory_are_halved():
    model = Counting(most=10)
    whole, halved = measured(4, Counting()), measured(4, model)
    assert {40, 20, 10} <= set(model.seen)
    assert halved.history[0].val_loss == pytest.approx(whole.history[0].val_loss, rel=1e-5)
    assert halved.history[0].val_pgd_accuracy is not None


def test_a_resumed_adversarial_training_ends_with_the_same_weights(digits_splits, tmp_path):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    recipe, checkpoint = Recipe(epochs=3, learning_rate=0.003), tmp_path / "checkpoint.safetensors"
    undisturbed = train(fresh(), *data, recipe, seed=5, hardening=HARDENING, **QUIET)
    killed_in_epoch(2, *data, recipe, hardening=HARDENING, checkpoint=checkpoint)
    resumed = train(fresh(), *data, recipe, seed=5, hardening=HARDENING, checkpoint=checkpoint, **QUIET)
    for name, tensor in undisturbed.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert [row.val_pgd_accuracy for row in resumed.history] == [row.val_pgd_accuracy for row in undisturbed.history]


def test_adversarial_training_is_more_robust_than_ordinary_training(digits_splits, trained):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    recipe = Recipe(epochs=6, learning_rate=0.003, schedule="one_cycle")
    ordinary = train(fresh("cnn.CNN"), *data, recipe, seed=1, **QUIET)
    hardened = train(fresh("cnn.CNN"), *data, recipe, seed=1, hardening=HARDENING, **QUIET)
    best = hardened.history[hardened.best_epoch - 1]
    assert best.score == max(row.val_accuracy + row.val_pgd_accuracy for row in hardened.history)
    assert best.val_pgd_accuracy <= best.val_accuracy
    standing = [
        ~pgd(one.model, trained.images[:200], trained.labels[:200], epsilon=0.1, steps=10).success
        for one in (hardened, ordinary)
    ]
    assert standing[0].float().mean() > standing[1].float().mean() + 0.2


def test_a_checkpoint_of_another_recipe_is_ignored(digits_splits, tmp_path):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(fresh(), *data, Recipe(epochs=1), seed=5, checkpoint=checkpoint, fingerprint="one", **QUIET)
    lines = []
    train(
        fresh(),
        *data,
        Recipe(epochs=1),
        seed=5,
        checkpoint=checkpoint,
        fingerprint="two",
        progress=progress_to(lines.append),
    )
    assert not any("resumed" in line for line in lines)


def test_every_file_that_a_training_reads_is_part_of_its_checkpoints_fingerprint(tmp_path):
    files = {name: tmp_path / name for name in ("train", "val", "init.pth")}
    for path in files.values():
        path.write_text("before")

    def found():
        given = {"spec": {}, "code": "c", "train": files["train"], "val": files["val"], "named": [files["init.pth"]]}
        return fingerprint(SimpleNamespace(**given))

    seen = {found()}
    for path in files.values():
        path.write_text("after")
        seen.add(found())
    assert len(seen) == 4


def test_a_damaged_checkpoint_is_ignored(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    save_checkpoint(checkpoint, {"model": {"weight": torch.ones(3)}}, {"history": []})
    assert load_checkpoint(checkpoint) is not None
    checkpoint.write_bytes(checkpoint.read_bytes()[:-4])
    assert load_checkpoint(checkpoint) is None
    assert load_checkpoint(tmp_path / "missing") is None


def test_training_learns_and_keeps_the_epoch_with_the_best_val_accuracy(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    trained = train(fresh("cnn.CNN", batch_norm=True), *data, Recipe(epochs=10), seed=0, **QUIET)
    accuracies = [row.val_accuracy for row in trained.history]
    assert trained.best_epoch == accuracies.index(max(accuracies)) + 1
    assert max(accuracies) > 0.9
    images = data[1].images.float() / 255
    assert not trained.model.training
    measured = (trained.model(images).argmax(1) == data[1].labels).float().mean().item()
    assert measured == pytest.approx(max(accuracies), abs=0.04)  # measured here in float32, during training in bfloat16


def test_early_stopping_ends_the_training(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    recipe = Recipe(epochs=50, optimizer="sgd", learning_rate=1e-12, patience=2)
    trained = train(fresh(), *data, recipe, seed=0, **QUIET)
    assert len(trained.history) == 3
    assert trained.best_epoch == 1


def test_loss_and_accuracy_are_those_of_the_images_that_were_trained_on(digits_splits):
    """A last batch of one image is left out."""
    data, val = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    nine = Labelled(data.images[:1].expand(9, -1, -1, -1), data.labels[:1].expand(9))
    recipe = Recipe(epochs=40, batch_size=4, precision="float32")
    history = train(fresh("mlp.MLP"), nine, val, recipe, seed=0, **QUIET).history
    assert history[-1].train_accuracy == 1
    with pytest.raises(InvalidInput, match="holds a single image"):
        train(fresh(), Labelled(data.images[:1], data.labels[:1]), val, recipe, seed=0, **QUIET)
    still = Recipe(epochs=1, batch_size=4, optimizer="sgd", learning_rate=1e-12, precision="float32")
    (row,) = train(fresh("mlp.MLP"), nine, nine, still, seed=0, **QUIET).history
    assert row.train_loss == pytest.approx(row.val_loss, rel=1e-4)


def test_a_loss_that_is_not_finite_gives_a_one_line_error(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    recipe = Recipe(epochs=2, optimizer="sgd", learning_rate=1e20, precision="float32")
    with pytest.raises(InvalidInput, match="lower the learning rate"):
        train(fresh(), *data, recipe, seed=0, **QUIET)


def test_the_softmax_of_r1_slows_down_learning(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    once, twice = (
        train(fresh(), *data, Recipe(epochs=10, optimizer="sgd", learning_rate=0.2, loss=loss), seed=0, **QUIET)
        for loss in ("cross_entropy", "cross_entropy_of_softmax")
    )
    assert twice.history[-1].val_accuracy + 0.1 < once.history[-1].val_accuracy


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_schedules_have_their_documented_shapes(schedule):
    factors = [learning_rate_factor(schedule, step / 100) for step in range(101)]
    assert max(factors) == pytest.approx(1)
    assert min(factors) >= 0
    assert factors[-1] == pytest.approx(1 if schedule == "constant" else 0, abs=1e-9)
    if schedule == "one_cycle":
        assert factors[0] == 0
        assert factors[20] == pytest.approx(1)


class Curious(nn.Sequential):
    def initialize_from(self, images):
        self.seen = images


def test_the_parts_that_depend_on_the_data_are_initialized_before_the_training(digits_splits):
    data = labelled(digits_splits["train"]), labelled(digits_splits["val"])
    model = Curious(fresh())
    train(model, *data, Recipe(epochs=1), seed=0, **QUIET)
    assert torch.equal(model.seen, data[0].images[:5000].float() / 255)


def test_biases_of_batch_norms_have_their_own_rate_and_the_same_decay_a_step():
    model = fresh("cnn.CNN", batch_norm=True)
    recipe = Recipe(epochs=1, optimizer="sgd", learning_rate=0.5, weight_decay=0.01, norm_bias_rate=64)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(recipe, model)
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * group["rate_factor"]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    biases = {f"{name}.bias" for name, module in model.named_modules() if "BatchNorm" in type(module).__name__}
    assert biases
    for name, parameter in model.named_parameters():
        rate = 0.5 * 64 if name in biases else 0.5
        assert torch.allclose(parameter, before[name] * (1 - 0.5 * 0.01) - rate, atol=1e-5), name


def test_the_global_random_state_is_unchanged(digits_splits):
    data = labelled(digits_splits["val"]), labelled(digits_splits["val"])
    model = fresh()
    before = torch.get_rng_state()
    train(model, *data, Recipe(epochs=1), seed=0, **QUIET)
    assert torch.equal(torch.get_rng_state(), before)


def test_files_are_complete_or_unchanged_when_the_writer_is_killed(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom foolflow.jobs.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_rewording_an_attack_outdates_no_victim():
    assert not {name for name in closure("scripts.train") if name.startswith("foolflow.attacks")}
