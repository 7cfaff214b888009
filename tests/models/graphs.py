"""ONNX graphs as other programs export them, built node by node."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models.supplying import Net


def write(
    path: Path,
    network: Net,
    *,
    shape: tuple[Any, ...] = ("N", 3, 10, 14),
    nhwc: bool = False,
    reshape: tuple[int, ...] | None = None,
    tail: tuple[Any, ...] = (),
    dtype: int = TensorProto.FLOAT,
    opset: int = 13,
    more_inputs: int = 0,
    external: bool = False,
) -> str:
    """Write the graph of `network`: Conv, Relu, GlobalAveragePool, Flatten or Reshape, Gemm, then `tail`.

    reshape: the constant of a Reshape in place of the Flatten.  tail: operators, or (operator, attributes).
    """
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    state = {name: tensor.numpy().astype(kind) for name, tensor in network.state_dict().items()}
    initializers = [numpy_helper.from_array(array, name) for name, array in state.items()]
    nodes = [helper.make_node("Transpose", ["images"], ["x"], perm=[0, 3, 1, 2])] if nhwc else []
    nodes += [
        helper.make_node("Conv", ["x" if nhwc else "images", "conv.weight", "conv.bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
    ]
    if reshape is None:
        nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
    else:
        initializers.append(numpy_helper.from_array(np.array(reshape, np.int64), "target"))
        nodes.append(helper.make_node("Reshape", ["p", "target"], ["f"]))
    nodes.append(helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["y0"], transB=1))
    for number, operator in enumerate(tail):
        name, attributes = operator if isinstance(operator, tuple) else (operator, {})
        nodes.append(helper.make_node(name, [f"y{number}"], [f"y{number + 1}"], **attributes))
    inputs = [helper.make_tensor_value_info("images", dtype, shape)]
    inputs += [helper.make_tensor_value_info(f"more{i}", dtype, [1]) for i in range(more_inputs)]
    output = helper.make_tensor_value_info(f"y{len(tail)}", dtype, None)
    graph = helper.make_graph(nodes, "net", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    if external:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    else:
        onnx.save(model, path)
    return str(path)
