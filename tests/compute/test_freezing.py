import torch
from torch import nn

from foolflow.compute.freezing import frozen


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
