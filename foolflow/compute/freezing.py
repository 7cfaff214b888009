"""Freeze a model while it is attacked, and restore it afterwards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from foolflow.errors import InvalidInput, in_one_line

Thing = nn.Module | Tensor


@dataclass
class _Held:
    """A module or a tensor that is frozen now, what restores it, and how many blocks hold it."""

    thing: Thing  # kept alive, so that no other object gets its id
    restore: Callable[[], None]
    blocks: int = 0


# By id. Threads that attack models with common parts share the entries, so that the last one to leave restores them.
_held: dict[int, _Held] = {}
_lock = Lock()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode and freeze its parameters; on exit, restore every mode, flag and buffer.

    Buffers, and tensors that are attributes of a module, get back the numbers that they had, whatever the forward
    passes do to them. A module that overrides `train`, to merge weights for example, is switched by calling it, and
    its parameters get back their numbers as well. It may stay in train mode; a program of `torch.export`, which has no
    modes, stays as it is. Modules that `model.modules()` does not list, such as those in a list, are not seen.
    Blocks may be nested, and run in several threads at once: the outermost, or the last, restores the model.
    Gradients with respect to the images are enabled inside, even if the caller has disabled gradients.
    Raises InvalidInput if the model cannot be put in eval mode.
    """
    modules, parameters = list(model.modules()), list(model.parameters())
    written = [tensor for module in modules for tensor in _tensors(module).values()]
    written += [one for module in modules if _overrides_train(module) for one in module.parameters()]
    contents = {id(tensor) for tensor in written}
    everything: list[Thing] = [*modules, *written, *parameters]
    things = list({id(thing): thing for thing in everything}.values())
    with ExitStack() as on_exit:
        with _lock:
            for thing in things:
                _hold(thing, contents)
            on_exit.callback(_release, things)
            for module in modules:
                _set_mode(module, training=False)
            for parameter in parameters:
                if parameter.requires_grad:
                    parameter.requires_grad_(False)
        with torch.enable_grad():
            yield


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers of a module and the tensors that are its attributes, such as a weight that a hook computes."""
    named = {**dict(module._buffers.items()), **vars(module)}
    return {name: value for name, value in named.items() if isinstance(value, Tensor) and not is_lazy(value)}


def _overrides_train(module: nn.Module) -> bool:
    return getattr(module.train, "__func__", None) is not nn.Module.train


def _set_mode(module: nn.Module, training: bool) -> None:
    """Put one module in train or eval mode. One that overrides `train` is called, which may switch its parts as well.

    Raises InvalidInput if it fails.
    """
    if module.training == training:
        return
    if not _overrides_train(module):
        module.training = training
        return
    try:
        module.train(training)
    except NotImplementedError:  # of `torch.export`
        return
    except Exception as error:  # the caller's code may raise anything
        raise InvalidInput(f"model: train({training}) fails with {in_one_line(error)[:300]}") from error


def _hold(thing: Thing, contents: set[int]) -> None:
    """Hold a thing for one more block. contents: the ids of the tensors whose numbers are restored, too."""
    if id(thing) not in _held:
        if isinstance(thing, nn.Module):
            restore = partial(_restore_module, thing, thing.training, _tensors(thing))
        else:
            kept = thing.detach().clone() if id(thing) in contents else None
            restore = partial(_restore_tensor, thing, thing.requires_grad, kept)
        _held[id(thing)] = _Held(thing, restore)
    _held[id(thing)].blocks += 1


def _release(things: Sequence[Thing]) -> None:
    """Let go of the things of one block, and restore those that no other block holds: modules, then their tensors.

    Raises the error of a module that cannot be restored after everything else is.
    """
    with _lock, ExitStack() as restoring:
        for thing in reversed(things):
            held = _held[id(thing)]
            held.blocks -= 1
            if held.blocks == 0:
                restoring.callback(_held.pop(id(thing)).restore)


def _restore_module(module: nn.Module, training: bool, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if getattr(module, name, None) is not tensor:
            setattr(module, name, tensor)
    _set_mode(module, training)


def _restore_tensor(tensor: Tensor, requires_grad: bool, contents: Tensor | None) -> None:
    with torch.inference_mode(tensor.is_inference()):  # elsewhere, a tensor of inference mode cannot be changed
        if contents is not None and not torch.equal(tensor, contents):
            tensor.detach().copy_(contents)
        if tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)
