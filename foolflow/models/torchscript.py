"""Run a TorchScript archive."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory

# Operations that only change the shape, the type or the packing of what a softmax returns.
PASSING = (
    "prim::TupleConstruct",
    "prim::ListConstruct",
    "prim::DictConstruct",
    "aten::flatten",
    "aten::view",
    "aten::reshape",
    "aten::squeeze",
    "aten::to",
    "aten::contiguous",
)


class Scripted(nn.Module):
    """A TorchScript module or function, run without the optimiser, which changes its numbers between calls."""

    def __init__(self, script: Any) -> None:
        super().__init__()
        self.script = script

    def forward(self, images: Tensor) -> Any:
        with torch.jit._fuser.optimized_execution(False):
            return self.script(images)


def load_torchscript(path: str, device: torch.device) -> Scripted:
    """Load an archive in eval mode. Weights in half precision become float32.

    Raises InvalidInput if the file is missing, or not a TorchScript archive.
    """
    if not Path(path).is_file():
        raise InvalidInput(f"{path} does not exist; check the path of torchscript:")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch recommends torch.export
            script = torch.jit.load(path, map_location=device)
    except Exception as error:  # a damaged file may raise anything
        if is_out_of_memory(error):
            raise
        remedy = "for a state dict use weights: with python:, torchvision:, timm: or architecture:"
        raise InvalidInput(f"{path} is not a TorchScript archive: {in_one_line(error)[:150]}; {remedy}") from error
    script.eval()
    if any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in script.parameters()):
        script.float()
    return Scripted(script)


def without_softmax(network: Scripted) -> Iterator[Scripted]:
    """Yield versions of the network in which one softmax near its output returns its input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        frozen = torch.jit.freeze(network.script)
    count = len(list(_softmax_nodes(frozen.graph)))
    for index in range(count):
        graph = frozen.graph.copy()
        node = list(_softmax_nodes(graph))[index]
        node.output().replaceAllUsesWith(next(node.inputs()))
        module, *_ = graph.inputs()
        if list(module.uses()):
            return
        graph.eraseInput(0)
        yield Scripted(torch._C._create_function_from_graph("forward", graph))


def _softmax_nodes(graph: Any) -> Iterator[Any]:
    pending = [value.node() for value in graph.outputs()]
    while pending:
        node = pending.pop(0)
        if node.kind() == "aten::softmax":
            yield node
        elif node.kind() in PASSING:
            inputs = list(node.inputs())
            construct = node.kind().startswith("prim::")
            pending += [value.node() for value in (inputs if construct else inputs[:1])]
