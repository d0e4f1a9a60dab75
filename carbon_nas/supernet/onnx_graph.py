"""Static networks and their layers as ONNX: one file with its weights inside, batch norm merged, any batch size.

The graph is written node by node, for there are few kinds of them. PyTorch's exporter (torch 2.13, `dynamo=True`) takes
0.7 to 2.6 s for a single block and warns about itself; a latency table asks for some hundred layers.
"""

from typing import Any

import numpy as np
from torch import Tensor, nn

import carbon_nas
from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.supernet.layers import Activation
from carbon_nas.supernet.static import (
    Head,
    InvertedBottleneck,
    Separable,
    SqueezeExcite,
    StaticMobileNetV3,
    fold_batch_norm,
)

__all__ = ["INPUT", "OPSET", "OUTPUT", "onnx_bytes", "onnx_package"]

INPUT, OUTPUT = "images", "output"

OPSET, _IR_VERSION = 17, 8
"""Of ONNX 1.12 (2022) both, so that older runtimes read it too; hard swish came with opset 14."""

_SIXTH = 1 / 6  # h_swish(x) = x relu6(x + 3) / 6, and so x times a hard sigmoid with this slope, through 0.5 at 0.


def onnx_package() -> Any:
    """Return the module onnx.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import onnx  # Here, for only those who want such files need it.
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name, extra="onnx", needed_by="ONNX files") from error
    return onnx


def onnx_bytes(module: nn.Module, input_shape: tuple[int, int, int]) -> bytes:
    """Write a static network, or one layer of it, as the bytes of an ONNX file. The same weights give the same bytes.

    The module stays as it is. The file takes `images`, float32 of shape (batch, C, H, W), and gives `output`. Batch
    norm is merged into the weights, which go by the place of their convolution in the network.

    Args:
        module: on any device, in training or not.
        input_shape: (C, H, W) of one input.

    Raises:
        UsageError: if there is a module in it that this cannot write.
        MissingExtra: if the package onnx is not installed.
    """
    onnx = onnx_package()
    graph = _Graph()
    graph.add("", fold_batch_norm(module).cpu(), INPUT)
    graph.name_last(OUTPUT)
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            [
                onnx.helper.make_node(kind, given, [out], name=name, **attributes)
                for name, kind, given, out, attributes in graph.nodes
            ],
            "carbon_nas",
            [onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", *input_shape])],
            [onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="carbon_nas",
        producer_version=carbon_nas.__version__,
    )
    # A reader wants to know what comes out, and that follows from what goes in.
    made = onnx.shape_inference.infer_shapes(made, strict_mode=True, data_prop=True)
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _Graph:
    """Nodes in the order of the data, and the weights that they name."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, str, list[str], str, dict[str, Any]]] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, path: str, module: nn.Module, x: str) -> str:
        """Add what a module does to the value `x`, and return the name of the value that comes out."""

        def part(name: str, x: str) -> str:
            return self.add(_below(path, name), module.get_submodule(name), x)

        def active(name: str, x: str, kind: Activation) -> str:
            return self._activation(_below(path, name), part(name, x), kind)

        match module:
            case StaticMobileNetV3():
                y = part("stem", x)
                y = y if module.separable is None else part("separable", y)
                for index in module.blocks:
                    y = part(f"blocks.{index}", y)
                return part("head", y)
            case Separable():
                y = part("project", active("depthwise", x, "relu"))
                return self._node(path, "Add", [x, y]) if module.residual else y
            case InvertedBottleneck():
                y = active("expand", x, module.activation)
                y = active("depthwise", y, module.activation)
                y = part("project", y if module.squeeze is None else part("squeeze", y))
                return self._node(path, "Add", [x, y]) if module.residual else y
            case SqueezeExcite():
                y = active("reduce", self._node(path, "GlobalAveragePool", [x]), "relu")
                gate = self._node(path, "HardSigmoid", [part("expand", y)], alpha=_SIXTH, beta=0.5)
                return self._node(path, "Mul", [x, gate])
            case Head():
                y = self._node(path, "GlobalAveragePool", [active("expand", x, "h_swish")])
                return part("classifier", self._node(path, "Flatten", [active("mix", y, "h_swish")], axis=1))
            case nn.Sequential():
                for name, _ in module.named_children():
                    x = part(name, x)
                return x
            case nn.Conv2d(padding_mode="zeros", padding=(int(), int())):
                return self._convolution(path, module, x)
            case nn.Linear():
                return self._node(path, "Gemm", [x, *self._kept(path, module)], transB=1)
            case nn.Module(kind="relu"):
                return self._activation(path, x, "relu")
            case nn.Module(kind="h_swish"):
                return self._activation(path, x, "h_swish")
            case _:
                raise UsageError(f"{type(module).__name__} cannot be written as ONNX", where=path or None)

    def name_last(self, value: str) -> None:
        """Give another name to the value that the last node makes."""
        if not self.nodes:
            raise UsageError("a network without a single step cannot be written as ONNX")
        name, kind, given, _, attributes = self.nodes.pop()
        self.nodes.append((name, kind, given, value, attributes))

    def _convolution(self, path: str, conv: nn.Conv2d, x: str) -> str:
        padding = [int(side) for side in conv.padding]
        return self._node(
            path,
            "Conv",
            [x, *self._kept(path, conv)],
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=[*padding, *padding],
            dilations=list(conv.dilation),
            group=conv.groups,
        )

    def _activation(self, path: str, x: str, kind: Activation) -> str:
        return self._node(path, "Relu" if kind == "relu" else "HardSwish", [x])

    def _node(self, path: str, kind: str, given: list[str], **attributes: Any) -> str:
        name = f"{path}/{kind}" if path else kind
        self.nodes.append((name, kind, given, name, attributes))
        return name

    def _kept(self, path: str, module: nn.Conv2d | nn.Linear) -> list[str]:
        found: dict[str, Tensor | None] = {"weight": module.weight, "bias": module.bias}
        names = []
        for name, tensor in found.items():
            if tensor is not None:
                names.append(_below(path, name))
                self.weights[names[-1]] = np.ascontiguousarray(tensor.detach().numpy())
        return names
