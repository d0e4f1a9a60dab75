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

__all__ = ["Normalise", "by_batch", "features", "forward"]


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
    y = features(layers, weights, x_BCHW, normalise)
    y = activate(F.conv2d(y, weights["head.mix.weight"]), "h_swish").flatten(1)
    return F.linear(y, weights["head.classifier.weight"], weights["head.classifier.bias"])


def features(
    layers: Iterable[LayerSpec], weights: Mapping[str, Tensor], x_BCHW: Tensor, normalise: Normalise
) -> Tensor:
    """Run a network up to the pooled features, of shape (B, C, 1, 1): behind the last batch norm, before the mix."""

    def norm(y: Tensor, name: str) -> Tensor:
        site = f"{name}.bn"
        return normalise(site, y, weights[f"{site}.weight"], weights[f"{site}.bias"], BN_EPS)

    def conv_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.conv.weight"]
        return norm(F.conv2d(x, weight, None, stride, weight.shape[-1] // 2), name)

    def depthwise_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return norm(depthwise_conv2d(x, weights[f"{name}.conv.weight"], stride), name)

    def squeezed(y: Tensor, name: str) -> Tensor:
        hidden = F.conv2d(
            y.mean((2, 3), keepdim=True), weights[f"{name}.reduce.weight"], weights[f"{name}.reduce.bias"]
        )
        gate = F.conv2d(activate(hidden, "relu"), weights[f"{name}.expand.weight"], weights[f"{name}.expand.bias"])
        return y * F.hardsigmoid(gate)

    def block(x: Tensor, spec: BlockSpec) -> Tensor:
        name = block_name(spec)
        y = activate(conv_norm(x, f"{name}.expand"), spec.activation)
        y = activate(depthwise_norm(y, f"{name}.depthwise", spec.stride), spec.activation)
        if spec.squeeze_channels is not None:
            y = squeezed(y, f"{name}.squeeze")
        y = conv_norm(y, f"{name}.project")
        return x + y if spec.residual else y

    y = x_BCHW
    for spec in layers:
        match spec:
            case StemSpec():
                y = activate(conv_norm(y, "stem", spec.stride), "h_swish")
            case SeparableSpec():
                z = activate(depthwise_norm(y, "separable.depthwise"), "relu")
                z = conv_norm(z, "separable.project")
                y = y + z if spec.residual else z
            case BlockSpec():
                y = block(y, spec)
            case HeadSpec():
                y = activate(conv_norm(y, "head.expand"), "h_swish").mean((2, 3), keepdim=True)
    return y
