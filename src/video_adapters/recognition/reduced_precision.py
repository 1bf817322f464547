"""ONNX networks in fp16 and int8: the encoder's matrix products, while everything else stays in float32.

Norms, softmax, residual sums, the normalisation of pixels and the head are computed in float32 in either. In fp16 the
square of 2000, which channels of CLIP's and DINOv2's residual streams reach, is infinite, and features that lie around
20 and differ by 0.003 would all be the same.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

HALF = {"MatMul", "Gemm", "Conv", "Gelu", "Transpose", "Reshape"}
"""Operators that fp16 computes in half: products, and what lies between two of them and changes no range of values."""
HEAD = "'classifier.head'"  # stands among the scopes that torch's exporter notes of each of the head's nodes
LARGEST = 2**31  # bytes of an ONNX file that is one message, which is what the conversions take


def check_size(source: Path) -> None:
    """A ValueError for an ONNX network that is too large to be converted."""
    size = sum(part.stat().st_size for part in source.parent.glob(f"{source.name}*"))
    if size >= LARGEST:
        raise ValueError(
            f"the network takes {size / 2**30:.1f} GiB, and onnx's tools reduce the precision of files below "
            f"{LARGEST / 2**30:.0f} GiB: only --precision fp32 can be had of it"
        )


def to_fp16(source: Path, target: Path) -> None:
    """Writes an ONNX network whose encoder multiplies in fp16; input and output keep their types.

    (onnxruntime.transformers.float16 would, of a network in which some nodes are to stay in float32, write one whose
    nodes are out of order, which no program opens; version 1.32.)
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = (model := _folded(source)).graph
    weights = {one.name: one for one in graph.initializer if one.data_type == TensorProto.FLOAT}
    floats = {one.name for one in graph.value_info if one.type.tensor_type.elem_type == TensorProto.FLOAT}
    halved = _computed_in_half(graph, floats) - _of_head(source)
    in_half: dict[str, str] = {}  # names of values, to those of the same in fp16
    nodes: list[Any] = []

    def half(name: str) -> str:
        if name not in in_half and name in weights:
            in_half[name] = f"{name}_fp16"
            values = numpy_helper.to_array(weights[name]).astype(np.float16)
            graph.initializer.append(numpy_helper.from_array(values, in_half[name]))
        elif name not in in_half and name in floats:
            in_half[name] = f"{name}_fp16"
            nodes.append(helper.make_node("Cast", [name], [in_half[name]], to=TensorProto.FLOAT16))
        return in_half.get(name, name)

    for node in graph.node:
        if node.name not in halved:
            nodes.append(node)
            continue
        node.input[:] = [half(name) for name in node.input]
        nodes.append(node)
        (result,) = node.output
        node.output[:] = [in_half.setdefault(result, f"{result}_fp16")]
        nodes.append(helper.make_node("Cast", node.output, [result], to=TensorProto.FLOAT))
    _replace_nodes(graph, nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def to_int8(source: Path, target: Path, clips: Iterable[Tensor]) -> None:
    """Writes an ONNX network whose encoder multiplies by its weights in int8, between QuantizeLinear and
    DequantizeLinear, as onnxruntime, OpenVINO and TensorRT take it.

    Weights are symmetric, one scale for each output channel. Activations are unsigned, one scale for each tensor, from
    the least to the greatest value that it takes on any of the `clips`, (1, T, 3, S, S) uint8 each, held one at a
    time. (Products of two activations, in attention, and the patch embedding stay in float32: little is won there.)
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    graph = (model := _folded(source)).graph
    weights, head = {one.name for one in graph.initializer}, _of_head(source)
    products = [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in weights and node.name not in head
    ]
    assert products, "of an empty list onnxruntime would quantise everything"
    quantize_static(
        model,
        str(target),
        _Calibration(clips, graph.input[0].name),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,  # with weights of QInt8 it is the pair that x86's instructions multiply
        nodes_to_quantize=products,
    )


class _Calibration:
    """Clips as onnxruntime's quantiser reads them."""

    def __init__(self, clips: Iterable[Tensor], name: str) -> None:
        self.clips: Iterator[Tensor] = iter(clips)
        self.name = name

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(({self.name: clip.numpy()} for clip in self.clips), None)


def _folded(source: Path) -> Any:
    """The network with what depends on weights alone computed, and the shapes and types of all values.

    (torch's exporter leaves it to each run to cut the matrices of an attention into parts.)
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that the file is meant for this machine alone: it is not, at this level
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = folded = f"{folder}/folded.onnx"
        left_out = ["MatMulAddFusion"]  # it renames nodes, those of the head too
        onnxruntime.InferenceSession(str(source), options, ["CPUExecutionProvider"], disabled_optimizers=left_out)
        quant_pre_process(folded, folded, skip_optimization=True, skip_symbolic_shape=True)
        return onnx.load(folded)


def _of_head(source: Path) -> set[str]:
    """Names of the nodes that are the classification head's, which scores features of any range."""
    import onnx

    nodes = onnx.load(source, load_external_data=False).graph.node
    names = {node.name for node in nodes if any(HEAD in note.value for note in node.metadata_props)}
    assert names, "torch's exporter no longer notes the modules that nodes come from"
    return names


def _computed_in_half(graph: Any, floats: set[str]) -> set[str]:
    """Names of the nodes that fp16 computes in half: those of `HALF` (if not of integers, as shapes are), and additions
    of a bias to a product."""
    weights = {one.name for one in graph.initializer}
    products = {node.output[0] for node in graph.node if node.op_type == "MatMul"}
    return {
        node.name
        for node in graph.node
        if (node.op_type in HALF and node.output[0] in floats)
        or (node.op_type == "Add" and {*node.input} & weights and {*node.input} & products)
    }


def _replace_nodes(graph: Any, nodes: list[Any]) -> None:
    """Gives a graph other nodes, without the casts and weights among them that none reads."""
    read = {name for node in nodes for name in node.input} | {one.name for one in graph.output}
    kept = [node for node in nodes if node.op_type != "Cast" or node.output[0] in read]
    read = {name for node in kept for name in node.input}
    weights = [one for one in graph.initializer if one.name in read]
    for field, values in ((graph.node, kept), (graph.initializer, weights), (graph.value_info, [])):
        del field[:]
        field.extend(values)
