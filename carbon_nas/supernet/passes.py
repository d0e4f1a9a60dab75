"""One forward pass as a pure function of layers, weights and images. Nothing is remembered.

Shape letters: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from carbon_nas.supernet.depthwise import depthwise_conv2d
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec
from carbon_nas.supernet.static import BN_EPS, activate
from carbon_nas.supernet.weights import block_name

__all__ = ["Normalise", "by_batch", "forward"]


class Normalise(Protocol):
    """How a batch norm at a named site treats its input."""

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
        """Return the normalised input."""
        ...


def by_batch(site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
    """Normalise by the statistics of this batch, as in training."""
    del site
    return F.batch_norm(x_BCHW, None, None, weight_C, bias_C, training=True, eps=eps)


def forward(layers: Iterable[LayerSpec], weights: Mapping[str, Tensor], x_BCHW: Tensor, normalise: Normalise) -> Tensor:
    """Run a network and return logits of shape (B, K).

    Args:
        layers: its description, from the stem to the head.
        weights: its tensors by name, as `static_weights` gives them.
        x_BCHW: the images.
        normalise: what batch norms do.
    """

    def conv(x: Tensor, name: str, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], bias)

    def norm(y: Tensor, name: str) -> Tensor:
        site = f"{name}.bn"
        return normalise(site, y, weights[f"{site}.weight"], weights[f"{site}.bias"], BN_EPS)

    def conv_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.conv.weight"]
        return norm(F.conv2d(x, weight, None, stride, weight.shape[-1] // 2), name)

    def depthwise_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return norm(depthwise_conv2d(x, weights[f"{name}.conv.weight"], stride), name)

    def block(x: Tensor, spec: BlockSpec) -> Tensor:
        name = block_name(spec)
        y = activate(conv_norm(x, f"{name}.expand"), spec.activation)
        y = activate(depthwise_norm(y, f"{name}.depthwise", spec.stride), spec.activation)
        if spec.squeeze_channels is not None:
            squeeze = f"{name}.squeeze"
            hidden = conv(y.mean((2, 3), keepdim=True), f"{squeeze}.reduce", weights[f"{squeeze}.reduce.bias"])
            y = y * F.hardsigmoid(conv(F.relu(hidden), f"{squeeze}.expand", weights[f"{squeeze}.expand.bias"]))
        return conv_norm(y, f"{name}.project")

    y = x_BCHW
    for spec in layers:
        match spec:
            case StemSpec():
                y = F.hardswish(conv_norm(y, "stem", spec.stride))
            case SeparableSpec():
                z = F.relu(depthwise_norm(y, "separable.depthwise"))
                z = conv_norm(z, "separable.project")
                y = y + z if spec.residual else z
            case BlockSpec():
                z = block(y, spec)
                y = y + z if spec.residual else z
            case HeadSpec():
                y = F.hardswish(conv_norm(y, "head.expand")).mean((2, 3), keepdim=True)
                y = F.hardswish(conv(y, "head.mix")).flatten(1)
                y = F.linear(y, weights["head.classifier.weight"], weights["head.classifier.bias"])
    return y
