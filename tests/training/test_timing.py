"""The time of a recipe."""

import torch
from torch import nn

from foolflow.defenses.loading import load_hardening
from foolflow.training.loop import Labelled
from foolflow.training.recipe import Recipe
from foolflow.training.timing import BATCHES, EPOCHS, seconds_per_image

RECIPE = Recipe(epochs=50, batch_size=16, patience=1)
IMAGES = Labelled(torch.zeros(100, 1, 8, 8, dtype=torch.uint8), torch.arange(100) % 10)
HARD = {"method": "adversarial_training", "parameters": {"epsilon": 0.1, "steps": 3}}


class Counting(nn.Module):
    """A linear classifier that counts the images that it sees."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        return self.layer(images.flatten(1))


class Whitening(Counting):
    """The same, but a training begins with something long."""

    begun = 0

    def initialize_from(self, images):
        self.begun += 1


def test_a_few_batches_are_timed_whatever_the_recipe():
    model = Counting()
    seconds_per_image(model, IMAGES, RECIPE)
    assert model.seen < (3 + EPOCHS) * (BATCHES + 1) * RECIPE.batch_size


def test_what_a_training_begins_with_is_no_part_of_its_epochs(monkeypatch):
    model = Whitening()
    monkeypatch.setattr("foolflow.training.timing.clock", lambda device: 1000 * model.begun + model.seen)
    found = seconds_per_image(model, IMAGES, RECIPE)
    assert found == 1 + len(IMAGES.labels[:2]) / (BATCHES * RECIPE.batch_size)  # a pass each, and the val images


def test_an_adversarial_training_is_timed_with_its_attacks():
    plain, hard = Counting(), Counting()
    seconds_per_image(plain, IMAGES, RECIPE)
    seconds_per_image(hard, IMAGES, RECIPE, hardening=load_hardening(HARD))
    assert hard.seen >= 3 * BATCHES * RECIPE.batch_size + plain.seen
