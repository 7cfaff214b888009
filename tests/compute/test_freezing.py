import gc
import weakref

import pytest
import torch
from torch import nn

from foolflow.compute import freezing
from foolflow.compute.freezing import frozen
from foolflow.errors import InvalidInput


def state(model):
    return [module.training for module in model.modules()], [one.requires_grad for one in model.parameters()]


def network():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2)).train()
    model[1].eval()
    model[2].bias.requires_grad_(False)
    return model


def test_gradients_are_enabled_and_the_state_is_restored():
    model = network()
    before = state(model)
    with torch.no_grad(), frozen(model):
        assert torch.is_grad_enabled()
        assert not any(state(model)[0])
        assert not any(state(model)[1])
    assert state(model) == before


def test_the_last_of_several_blocks_restores_the_model():
    """In threads, blocks end in any order, and one may hold only a part of the model."""
    model = network()
    before = state(model)
    first, second = frozen(model), frozen(nn.Sequential(model[0], model[1]))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not any(state(model[:2])[0][1:])
    assert not any(state(model[:2])[1])
    assert state(model[2]) == ([True], [True, False])
    second.__exit__(None, None, None)
    assert state(model) == before


def test_nothing_is_held_after_an_error_on_entering():
    class Stuck(nn.Linear):
        def train(self, mode=True):
            raise ValueError("of the model")

    model = nn.Sequential(nn.Linear(2, 2), Stuck(2, 2))
    before = state(model)
    with pytest.raises(InvalidInput, match=r"train\(False\) fails with ValueError: of the model"), frozen(model):
        pass
    assert state(model) == before
    assert not freezing._held


def test_an_error_on_restoring_leaves_nothing_frozen():
    class NotBack(nn.Linear):
        def train(self, mode=True):
            if mode:
                raise ValueError("of the model")
            return super().train(mode)

    model = nn.Sequential(NotBack(2, 2), nn.Linear(2, 2))
    with pytest.raises(InvalidInput, match=r"train\(True\) fails"), frozen(model):
        pass
    assert state(model[1]) == ([True], [True, True])
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not freezing._held


def test_parameters_of_inference_mode_are_restored():
    with torch.inference_mode():
        model = nn.Linear(2, 2)
    with frozen(model):
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_what_is_held_is_kept_alive():
    """Otherwise another object could get the id of one that is gone, and its state."""
    model = network()
    gone = weakref.ref(model[0])
    with frozen(model):
        del model
        gc.collect()
        assert gone() is not None
    gc.collect()
    assert gone() is None


def test_a_buffer_in_two_blocks_gets_back_what_it_had_before_the_first():
    model = nn.BatchNorm1d(2)
    first, second = frozen(model), frozen(model)
    first.__enter__()
    model.running_mean += 1
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.equal(model.running_mean, torch.ones(2))
    second.__exit__(None, None, None)
    assert torch.equal(model.running_mean, torch.zeros(2))
