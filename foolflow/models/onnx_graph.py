"""Run an ONNX graph: converted to PyTorch with its gradient or, if it cannot be converted, with onnxruntime."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory
from foolflow.models.extras import import_extra
from foolflow.models.outputs import are_close, logits_of

# Of a converted network's output, relative to the largest absolute value of onnxruntime's.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 1e-2}

# TensorProto.DataType of the inputs that a network for images can have
FLOATS = {1: torch.float32, 10: torch.float16, 11: torch.float64}

# Operators that only change the shape or the type of what a softmax returns.
PASSING = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")

REMEDY = "use attacks without gradients: square, corrupt and other black-box attacks"


class OnnxRuntime(nn.Module):
    """A graph that onnxruntime runs on the CPU, without a gradient. obstacle: why it was not converted."""

    def __init__(self, graph: "Graph", obstacle: str) -> None:
        super().__init__()
        self.path, self.obstacle = graph.path, obstacle
        self.session = graph.session()
        self.input_name = graph.input.name

    def forward(self, images: Tensor) -> Any:
        if images.requires_grad and torch.is_grad_enabled():
            raise InvalidInput(f"{self.path} cannot be differentiated: {self.obstacle}; {REMEDY}")
        outputs = self.session.run(None, {self.input_name: images.detach().cpu().contiguous().numpy()})
        tensors = [torch.from_numpy(np.array(output)).to(images.device) for output in outputs]
        return tensors[0] if len(tensors) == 1 else tensors


@dataclass(frozen=True)
class OnnxNetwork:
    """A network that runs `graph`.

    takes, layout, dtype: as in `adapters.Adapted`.  notices: one sentence each, for the user.
    """

    graph: "Graph"
    network: nn.Module
    takes: int
    layout: str
    dtype: torch.dtype
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """An ONNX graph whose only input is a batch of images. model: an onnx.ModelProto."""

    path: str
    model: Any

    @property
    def input(self) -> Any:
        (only,) = _inputs(self.model)
        return only

    @property
    def dtype(self) -> torch.dtype:
        return FLOATS[self.input.type.tensor_type.elem_type]

    @property
    def shape(self) -> list[int | None]:
        """The shape of the input. None: any size."""
        return [dimension.dim_value or None for dimension in self.input.type.tensor_type.shape.dim]

    def session(self, optimised: Path | None = None) -> Any:
        """Return an onnxruntime session. optimised: where to save the graph after the basic optimisations."""
        runtime = import_extra("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # its errors are raised as well
        options.intra_op_num_threads = torch.get_num_threads()
        if optimised is not None:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(optimised)
        try:
            content = self.model.SerializeToString()
            return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common class
            raise InvalidInput(f"{self.path} is not a graph that onnxruntime can run: {_short(error)}") from error


def load_onnx(path: str, *, channels: int, height: int, width: int, device: torch.device) -> OnnxNetwork:
    """Load a graph for images of the given shape.

    Raises InvalidInput if the file is missing or damaged, or if the graph does not take images of that shape.
    """
    graph = _read(path)
    takes, layout = _form(graph, channels, height, width)
    generator = torch.Generator().manual_seed(0)
    probe = torch.rand(2, *_sizes(takes, layout, height, width), generator=generator, dtype=torch.float32)
    notices = []
    if graph.shape[0] is not None:
        opened = _with_open_batch(graph)
        if opened is not None and _agree(graph, opened, probe):
            notices.append(f"{path} has a fixed batch size of {graph.shape[0]}; it was opened to any size.")
            graph = opened
        elif graph.shape[0] != 1:
            raise InvalidInput(
                f"{path} takes batches of exactly {graph.shape[0]} images; export it with an open batch dimension"
                " (dynamic_axes), or with a batch size of 1"
            )
    network, dtype, obstacle = _network(graph, probe if graph.shape[0] is None else probe[:1], device)
    if obstacle is not None:
        notices.append(f"{path} cannot be differentiated: {obstacle}; only attacks without gradients can run on it.")
    return OnnxNetwork(graph, network, takes, layout, dtype, tuple(notices))


def without_softmax(found: OnnxNetwork, probe: Tensor) -> Iterator[nn.Module]:
    """Yield networks in which the softmax near an output of the graph returns its input.

    probe: a batch as the network takes it.
    """
    for output in range(len(found.graph.model.graph.output)):
        model = _copy(found.graph.model)
        producers = {name: node for node in model.graph.node for name in node.output}
        node = producers.get(model.graph.output[output].name)
        while node is not None and node.op_type in PASSING:
            node = producers.get(node.input[0])
        if node is not None and node.op_type == "Softmax":
            node.op_type = "Identity"
            del node.attribute[:]
            yield _network(Graph(found.graph.path, model), probe.cpu(), probe.device)[0]


def _read(path: str) -> Graph:
    onnx = import_extra("onnx")
    for module in ("onnxruntime", "onnx2torch"):
        import_extra(module)
    if not Path(path).is_file():
        raise InvalidInput(f"{path} does not exist; check the path of onnx:")
    try:
        model = onnx.load(path)
    except Exception as error:  # a damaged file may raise anything
        if is_out_of_memory(error):
            raise
        hint = "; copy the file of its external data next to it" if "external" in str(error).lower() else ""
        raise InvalidInput(f"{path} cannot be read as ONNX: {_short(error)}{hint}") from error
    inputs = _inputs(model)
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(value.name for value in inputs[:5]) or "none"
        raise InvalidInput(f"{path} has {len(inputs)} inputs ({names}); the images must be its only input")
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in FLOATS:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise InvalidInput(f"{path} takes {kind} images, which have no gradient; export it with float32 input")
    graph = Graph(path, model)
    if len(graph.shape) != 4:
        raise InvalidInput(f"{path} takes input of shape {_shown(graph)}; (N, C, H, W) or (N, H, W, C) is needed")
    return graph


def _inputs(model: Any) -> list[Any]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _copy(model: Any) -> Any:
    copy = import_extra("onnx").ModelProto()
    copy.CopyFrom(model)
    return copy


def _shown(graph: Graph) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in graph.shape)})"


def _short(error: BaseException) -> str:
    return in_one_line(error)[:250]


def _sizes(takes: int, layout: str, height: int, width: int) -> tuple[int, int, int]:
    return (takes, height, width) if layout == "NCHW" else (height, width, takes)


def _form(graph: Graph, channels: int, height: int, width: int) -> tuple[int, str]:
    """Return the number of channels and the layout of the graph's input for images of the given shape."""
    forms = [
        (takes, layout)
        for layout, place in (("NCHW", 1), ("NHWC", 3))
        for takes in (channels, 4 - channels)
        if graph.shape[place] in (takes, None)
    ]
    if not forms:
        raise InvalidInput(f"{graph.path} takes input of shape {_shown(graph)}, which has neither 1 nor 3 channels")
    # A dimension that states the number of channels tells more than one of any size.
    forms.sort(key=lambda form: graph.shape[1 if form[1] == "NCHW" else 3] is None)
    problems = []
    session = graph.session()
    for takes, layout in forms:
        sizes = _sizes(takes, layout, height, width)
        if any(size not in (needed, None) for size, needed in zip(graph.shape[1:], sizes, strict=True)):
            problems.append(_other_size(graph, layout, height, width))
            continue
        try:
            _run(graph, session, torch.full((graph.shape[0] or 1, *sizes), 0.5))
        except Exception as error:  # onnxruntime's errors have no common class
            problems.append(f"{graph.path} fails on images of {channels} x {height} x {width} pixels: {_short(error)}")
        else:
            return takes, layout
    raise InvalidInput(problems[0])


def _other_size(graph: Graph, layout: str, height: int, width: int) -> str:
    found = graph.shape[2:] if layout == "NCHW" else graph.shape[1:3]
    needed = [found[0] or height, found[1] or width]
    problem = f"{graph.path} takes images of {needed[0]} x {needed[1]} pixels and the data set has {height} x {width}"
    return f"{problem}; set size: {needed}, or resize and crop, for the data set"


def _run(graph: Graph, session: Any, images: Tensor) -> Tensor:
    """Return onnxruntime's logits."""
    outputs = session.run(None, {graph.input.name: images.to(graph.dtype).numpy()})
    tensors = [torch.from_numpy(np.array(output)) for output in outputs]
    return logits_of(tensors[0] if len(tensors) == 1 else tensors, len(images)).float()


def _with_open_batch(graph: Graph) -> Graph | None:
    """Return a copy that takes batches of any size, or None if onnxruntime rejects it.

    The constants of Reshape nodes that begin with the fixed batch size are edited as well.
    """
    helper = import_extra("onnx.numpy_helper")
    batch, model = graph.shape[0], _copy(graph.model)
    for value in (*_inputs(model), *model.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    targets = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in targets]
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] in targets:
            constants += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in constants:
        target = helper.to_array(tensor).copy()
        if target.ndim == 1 and target.size > 1 and target[0] == batch:
            target[0] = 0 if -1 in target else -1  # 0: the size in the node's input
            tensor.CopyFrom(helper.from_array(target, tensor.name))
    opened = Graph(graph.path, model)
    try:
        opened.session()
    except InvalidInput:
        return None
    return opened


def _agree(fixed: Graph, opened: Graph, probe: Tensor) -> bool:
    """Whether the opened graph gives the images of a batch the logits that the fixed one gives them."""
    session = fixed.session()
    repeated = [image.expand(fixed.shape[0] or 1, *image.shape[1:]) for image in probe.split(1)]
    wanted = torch.cat([_run(fixed, session, image)[:1] for image in repeated])
    try:
        found = _run(opened, opened.session(), probe)
    except Exception:  # onnxruntime's errors have no common class, and any of them means no
        return False
    return are_close(found, wanted, TOLERANCE[fixed.dtype])


def _network(graph: Graph, probe: Tensor, device: torch.device) -> tuple[nn.Module, torch.dtype, str | None]:
    """Return a network that runs the graph, what it takes, and why it has no gradient (None: it has one)."""
    try:
        return *_converted(graph, probe, device), None
    except _NotConvertible as problem:
        return OnnxRuntime(graph, str(problem)), graph.dtype, str(problem)


class _NotConvertible(Exception):
    """A graph that has no equivalent in PyTorch. The message says why."""


def _converted(graph: Graph, probe: Tensor, device: torch.device) -> tuple[nn.Module, torch.dtype]:
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "graph.onnx"
        session = graph.session(optimised)
        model = import_extra("onnx").load(optimised)
    wanted = _run(graph, session, probe)
    try:
        # The optimisation folds constants, without which onnx2torch rejects some graphs.
        return _checked(graph, model, probe, wanted, device)
    except _NotConvertible as problem:
        try:  # It also inserts conversions between types, with which onnx2torch rejects others.
            return _checked(graph, graph.model, probe, wanted, device)
        except _NotConvertible:
            raise problem from None


def _checked(
    graph: Graph, model: Any, probe: Tensor, wanted: Tensor, device: torch.device
) -> tuple[nn.Module, torch.dtype]:
    """Convert a form of the graph. wanted: onnxruntime's logits for the probe."""
    dtype = torch.float64 if graph.dtype is torch.float64 else torch.float32
    try:
        with torch.enable_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            network = import_extra("onnx2torch").convert(_copy(model)).eval().to(dtype)
            images = probe.to(dtype).requires_grad_()
            logits = logits_of(network(images), len(probe))
            flows = logits.requires_grad and torch.autograd.grad(logits.sum(), images, allow_unused=True)[0] is not None
    except Exception as error:  # the converters raise anything
        if is_out_of_memory(error):
            raise
        raise _NotConvertible(_obstacle(model, error)) from error
    if not flows:
        raise _NotConvertible("no gradient flows from its output to the images")
    if not are_close(logits.detach().float(), wanted, TOLERANCE[graph.dtype]):
        raise _NotConvertible("its conversion to PyTorch gives other numbers than onnxruntime")
    return network.to(device), dtype


def _obstacle(model: Any, error: Exception) -> str:
    """Name the operators that have no equivalent or, if each has one, the operator whose conversion failed."""
    registry = import_extra("onnx2torch.node_converters.registry")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    unknown = []
    for node in model.graph.node:
        try:
            registry.get_converter(operation_type=node.op_type, version=versions[node.domain], domain=node.domain)
        except (NotImplementedError, KeyError):
            unknown.append(node.op_type)
    if unknown:
        names = sorted(set(unknown))
        return f"operator{'s' if len(names) > 1 else ''} {', '.join(names)} cannot be converted to PyTorch"
    frame = error.__traceback__
    operator = None
    while frame is not None:
        node = frame.tb_frame.f_locals.get("onnx_node")
        operator = getattr(node, "operation_type", operator)
        frame = frame.tb_next
    where = f"operator {operator}" if operator else "it"
    return f"{where} cannot be converted to PyTorch ({_short(error)[:120]})"
