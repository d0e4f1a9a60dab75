"""One forward pass as a pure function of layers, weights and images. Nothing is remembered.

It is the computation of the modules of `static.py`, on tensors that are handed in; tests hold the two together bit for
bit. One in terms of the other would cost either the plain modules or the speed of the step.

Shape letters: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor
from torch.nn import functional as F

from carbon_nas.supernet.batch_norm import Normalise
from carbon_nas.supernet.depthwise import depthwise_conv2d
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec
from carbon_nas.supernet.pointwise import pointwise_conv2d
from carbon_nas.supernet.static import activate
from carbon_nas.supernet.weights import block_name

__all__ = ["features", "forward"]


def forward(
    layers: Iterable[LayerSpec],
    weights: Mapping[str, Tensor],
    x_BCHW: Tensor,
    normalise: Normalise,
    drop: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Run a network and return logits of shape (B, K).

    Args:
        layers: its description, from the stem to the head.
        weights: its tensors by name, as `static_weights` gives them.
        x_BCHW: the images.
        normalise: what batch norms do.
        drop: what is done to the features of shape (B, C) before the classifier, such as dropout; nothing if not given.
    """
    y = features(layers, weights, x_BCHW, normalise)
    y = activate(pointwise_conv2d(y, weights["head.mix.weight"]), "h_swish").flatten(1)
    if drop is not None:
        y = drop(y)
    return F.linear(y, weights["head.classifier.weight"], weights["head.classifier.bias"])


def features(
    layers: Iterable[LayerSpec], weights: Mapping[str, Tensor], x_BCHW: Tensor, normalise: Normalise
) -> Tensor:
    """Run a network up to the pooled features, of shape (B, C, 1, 1): behind the last batch norm, before the mix."""

    def norm(y: Tensor, name: str) -> Tensor:
        site = f"{name}.bn"
        return normalise(site, y, weights[f"{site}.weight"], weights[f"{site}.bias"])

    def pointwise_norm(x: Tensor, name: str) -> Tensor:
        return norm(pointwise_conv2d(x, weights[f"{name}.conv.weight"]), name)

    def depthwise_norm(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return norm(depthwise_conv2d(x, weights[f"{name}.conv.weight"], stride), name)

    def squeezed(y: Tensor, name: str) -> Tensor:
        hidden = pointwise_conv2d(
            y.mean((2, 3), keepdim=True), weights[f"{name}.reduce.weight"], weights[f"{name}.reduce.bias"]
        )
        gate = pointwise_conv2d(
            activate(hidden, "relu"), weights[f"{name}.expand.weight"], weights[f"{name}.expand.bias"]
        )
        return y * F.hardsigmoid(gate)

    def block(x: Tensor, spec: BlockSpec) -> Tensor:
        name = block_name(spec)
        y = activate(pointwise_norm(x, f"{name}.expand"), spec.activation)
        y = activate(depthwise_norm(y, f"{name}.depthwise", spec.stride), spec.activation)
        if spec.squeeze_channels is not None:
            y = squeezed(y, f"{name}.squeeze")
        y = pointwise_norm(y, f"{name}.project")
        return x + y if spec.residual else y

    y = x_BCHW
    for spec in layers:
        match spec:
            case StemSpec():
                y = F.conv2d(y, weights["stem.conv.weight"], None, spec.stride, 1)
                y = activate(norm(y, "stem"), "h_swish")
            case SeparableSpec():
                z = activate(depthwise_norm(y, "separable.depthwise"), "relu")
                z = pointwise_norm(z, "separable.project")
                y = y + z if spec.residual else z
            case BlockSpec():
                y = block(y, spec)
            case HeadSpec():
                y = activate(pointwise_norm(y, "head.expand"), "h_swish").mean((2, 3), keepdim=True)
    return y
