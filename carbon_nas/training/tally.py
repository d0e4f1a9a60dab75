"""Counting work in units that do not depend on the machine."""

from dataclasses import dataclass

__all__ = ["BACKWARD_PASSES", "Tally"]

BACKWARD_PASSES = 2
"""A backward pass computes gradients of inputs and of weights: two forward passes' worth of MACs."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """A counter that a phase adds to.

    Attributes:
        steps: optimiser steps.
        macs: multiply-accumulates; a backward pass counts as two forward ones.
        image_passes: images through a network, forward; a backward pass counts as two. It drives the progress bar.
    """

    steps: int = 0
    macs: int = 0
    image_passes: int = 0

    def forward(self, macs_per_image: int, images: int) -> None:
        """Count a forward pass."""
        self.macs += macs_per_image * images
        self.image_passes += images

    def train(self, macs_per_image: int, images: int) -> None:
        """Count a forward and a backward pass."""
        self.forward(macs_per_image * (1 + BACKWARD_PASSES), images)
        self.image_passes += BACKWARD_PASSES * images
