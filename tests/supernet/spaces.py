"""What tests of networks share: a space that can be counted by hand, and ways to draw from one."""

import random
from dataclasses import replace
from typing import TypeVar

import torch
from hypothesis import settings
from hypothesis import strategies as st

from carbon_nas.supernet import Architecture, SearchSpace, Stage, small_image_space

torch.set_num_threads(1)  # Networks this small only get slower with more, and test workers share the cores.

Net = TypeVar("Net", bound=torch.nn.Module)

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)

SMALL = small_image_space()

TINY = SearchSpace(
    name="tiny",
    in_channels=1,
    stem_channels=4,
    stem_stride=1,
    stages=(
        Stage(out_channels=4, stride=1, activation="relu", squeeze_excite=False),
        Stage(out_channels=8, stride=2, activation="h_swish", squeeze_excite=True),
    ),
    kernel_sizes=(3, 5),
    expand_ratios=(2, 3),
    depths=(1, 2),
    resolutions=(4, 6),
    head_channels=(8, 12),
)

ONE = replace(TINY, name="one", kernel_sizes=(3,), expand_ratios=(2,), depths=(1,), resolutions=(4,))
"""A space with a single architecture."""

seeds = st.integers(0, 2**32 - 1)


def genes(space: SearchSpace) -> dict[str, st.SearchStrategy]:
    """Draw the four parts of an official encoding, skipped blocks included."""

    def listed(choices: tuple[int, ...], count: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.sampled_from(choices), min_size=count, max_size=count)

    return {
        "ks": listed(space.kernel_sizes, space.num_blocks),
        "e": listed(space.expand_ratios, space.num_blocks),
        "d": listed(space.depths, len(space.stages)),
        "resolution": st.sampled_from(space.resolutions),
    }


def architectures(space: SearchSpace) -> st.SearchStrategy[Architecture]:
    return st.builds(space.architecture, **genes(space))


def drawn(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    """Draw the same random architectures in every run."""
    rng = random.Random(seed)
    return [space.sample(rng) for _ in range(count)]


def images(resolution: int, *, count: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, 1, resolution, resolution), generator=generator)


def scrambled(net: Net, seed: int = 0) -> Net:
    """Move every parameter off its initial value, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return net
