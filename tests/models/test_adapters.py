from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn

from foolflow.models.adapters import Adapted, as_module, modules_of

MODEL, OTHER = nn.Linear(2, 2), nn.Linear(2, 2)


class Holder:
    def __init__(self, *models):
        self.model, self.models = models[0], list(models)

    def __call__(self, images):
        return self.model(images)

    def run(self, images):
        return self.model(images)


def twice(first, images, second=None):
    return second(first(images))


def test_the_modules_of_callables():
    local, name = nn.Linear(2, 2), "a string"
    nested = torch.no_grad()(lambda x: local(x) if name else x)
    assert modules_of(lambda x: MODEL(x)) == [MODEL]
    assert modules_of(nested) == [local]
    assert modules_of(MODEL.forward) == [MODEL]
    assert set(modules_of(partial(twice, MODEL, second=OTHER.forward))) == {MODEL, OTHER}
    assert modules_of(Holder(MODEL)) == modules_of(Holder(MODEL).run) == [MODEL]
    assert modules_of(torch.relu) == []


def test_what_is_not_seen():
    def helper(images):
        return MODEL(images)

    assert modules_of(Holder(OTHER, MODEL)) == [OTHER]  # MODEL is in a list
    assert modules_of(lambda x: twice(x, x)) == []
    assert modules_of(lambda x: helper(x)) == [MODEL]  # but what a local function uses is


def test_a_function_that_refers_to_itself_ends():
    def again(images, times=2):
        return again(MODEL(images), times - 1) if times else images

    assert modules_of(again) == [MODEL]


class Pair(NamedTuple):
    first: nn.Module

    def run(self, images):
        return self.first(images)


class Slots:
    __slots__ = ()

    def run(self, images):
        return MODEL(images)


def test_the_owner_of_a_method_may_have_no_attributes():
    assert modules_of(Pair(MODEL).run) == []
    assert modules_of(Slots().run) == []
    assert modules_of("{}".format) == []


def test_a_variable_without_a_value_hides_the_others():
    def function(images):
        return MODEL(images) if images is not None else later

    assert modules_of(function) == []
    later = None


def test_the_modules_of_a_function_are_parts_of_it():
    module = as_module(lambda x: MODEL(x) + OTHER(x))
    assert set(module.parameters()) == {*MODEL.parameters(), *OTHER.parameters()}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("takes", [1, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("mean", [None, (0.0,), (0.5,)])
@pytest.mark.parametrize("grad", [False, True])
def test_a_network_may_write_into_what_it_receives(channels, takes, layout, mean, grad):
    network = as_module(lambda x: x.mul_(2).flatten(1))
    adapted = Adapted(network, channels=channels, takes=takes, mean=mean, layout=layout)
    images = torch.rand(3, channels, 4, 4, requires_grad=grad)
    kept = images.detach().clone()
    first = adapted(images)
    assert torch.equal(images, kept)
    assert torch.equal(adapted(images), first)
