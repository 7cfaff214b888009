"""What is tried on a few images before an attack also works with a network that takes one image at a time."""

import pytest
import torch
from torch import nn

from foolflow.attacks.inspection import inspect
from foolflow.compute.speed import measure_speed

CPU = torch.device("cpu")


class AtMost(nn.Module):
    """A network for which `limit` images fit in memory."""

    def __init__(self, limit, victim):
        super().__init__()
        self.limit, self.victim = limit, victim

    def forward(self, images):
        if len(images) > self.limit:
            raise MemoryError
        return self.victim(images)


@pytest.fixture
def one_at_a_time(trained):
    return AtMost(1, trained.model).eval()


def test_inspection(trained, one_at_a_time, digits_splits):
    split = digits_splits["test"]
    found = [inspect(victim, split, split.class_names, CPU) for victim in (trained.model, one_at_a_time)]
    assert found[0] == found[1]


def test_speed(one_at_a_time, digits_splits):
    split = digits_splits["test"]
    found = measure_speed(one_at_a_time, split.images[:4], split.labels[:4], norm="linf", epsilon=0.1, device=CPU)
    assert found["classes"] == 10
    assert found["forward"] > 0


def test_the_speed_of_a_network_that_does_not_fit_at_all(trained, digits_splits):
    split, victim = digits_splits["test"], AtMost(0, trained.model).eval()
    with pytest.raises(MemoryError):
        measure_speed(victim, split.images[:4], split.labels[:4], norm="linf", epsilon=0.1, device=CPU)
