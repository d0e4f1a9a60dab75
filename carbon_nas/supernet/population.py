"""Many architectures of one space as one array, drawn, mutated and crossed all at once.

A search proposes tens of thousands; what `SearchSpace` does with one of them, this does with all, by the same laws.
Shape letters: N architectures, G genes, B elastic blocks of the space, S stages, F features.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Genes", "Population"]

Genes = NDArray[np.uint8]

_MOST_CHOICES = np.iinfo(np.uint8).max + 1


class Population:
    """Architectures of one space; a value, and in the order in which they were given.

    Attributes:
        space: what they are architectures of.
        genes: which choice each of them makes, by its index, (N, G): resolution, kernel size per block, expand ratio
            per block, depth per stage. As in an `Architecture`, a skipped block has the smallest choice.
    """

    __slots__ = ("genes", "space")

    def __init__(self, space: SearchSpace, genes: Genes) -> None:
        """Hold genes that are canonical already; everybody else comes in by `of` or `sampled`."""
        self.space, self.genes = space, genes

    @classmethod
    def of(cls, space: SearchSpace, archs: Iterable[Architecture]) -> "Population":
        """Gather architectures.

        Raises:
            UsageError: if one is of another space, or at a resolution that is no choice of it.
        """
        resolutions, kernels, ratios, depths = (
            {value: number for number, value in enumerate(choices)}
            for choices in (space.resolutions, space.kernel_sizes, space.expand_ratios, space.depths)
        )
        rows = []
        for arch in archs:
            space.check(arch)
            if arch.resolution not in resolutions:
                raise UsageError(
                    f"{arch.resolution} pixels are no choice; they are {', '.join(map(str, space.resolutions))}",
                    where=f"space {space.name}",
                )
            row = [resolutions[arch.resolution]]
            row += [kernels[value] for value in arch.kernel_sizes]
            row += [ratios[value] for value in arch.expand_ratios]
            rows.append(row + [depths[value] for value in arch.depths])
        return cls(space, np.array(rows, dtype=np.uint8).reshape(len(rows), len(_choices(space))))

    @classmethod
    def sampled(cls, space: SearchSpace, count: int, rng: np.random.Generator) -> "Population":
        """Draw every choice uniformly and independently, as `SearchSpace.sample` does."""
        return cls(space, _canonical(space, _drawn(space, count, rng)))

    def __len__(self) -> int:
        return len(self.genes)

    def __getitem__(self, number: int) -> Architecture:
        return self.architecture(number)

    def __iter__(self) -> Iterator[Architecture]:
        return map(self.architecture, range(len(self)))

    def __add__(self, other: "Population") -> "Population":
        return Population(self.space, np.concatenate((self.genes, other.genes)))

    def take(self, rows: Any) -> "Population":
        """Return some of them: by index, by slice or by mask."""
        return Population(self.space, self.genes[rows])

    def architecture(self, number: int) -> Architecture:
        """Return one of them as a value of its own."""
        space, row = self.space, self.genes[number].tolist()
        blocks = space.num_blocks
        return Architecture(
            kernel_sizes=tuple(space.kernel_sizes[gene] for gene in row[1 : 1 + blocks]),
            expand_ratios=tuple(space.expand_ratios[gene] for gene in row[1 + blocks : 1 + 2 * blocks]),
            depths=tuple(space.depths[gene] for gene in row[1 + 2 * blocks :]),
            resolution=space.resolutions[row[0]],
        )

    @property
    def resolution(self) -> Genes:
        """The indices of the resolutions, (N,)."""
        return self.genes[:, 0]

    @property
    def kernels(self) -> Genes:
        """The indices of the kernel sizes, (N, B)."""
        return self.genes[:, 1 : 1 + self.space.num_blocks]

    @property
    def ratios(self) -> Genes:
        """The indices of the expand ratios, (N, B)."""
        return self.genes[:, 1 + self.space.num_blocks : 1 + 2 * self.space.num_blocks]

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which blocks they have, (N, B)."""
        return _active(self.space, self.genes)

    def mutated(
        self,
        probability_fraction: float,
        rng: np.random.Generator,
        *,
        resolution_probability_fraction: float | None = None,
    ) -> "Population":
        """Draw each choice of each of them again with the given probability, as `SearchSpace.mutate` does.

        Args:
            probability_fraction: of every choice.
            rng: the only source of chance.
            resolution_probability_fraction: of the resolution, if it has a probability of its own.
        """
        space, blocks = self.space, self.space.num_blocks
        again = np.full(self.genes.shape[1], probability_fraction, dtype=np.float32)
        if resolution_probability_fraction is not None:
            again[0] = resolution_probability_fraction
        redraw = rng.random(self.genes.shape, dtype=np.float32) < again
        # A block that a greater depth brings in was not chosen by the parent.
        unknown = ~self.active
        redraw[:, 1 : 1 + blocks] |= unknown
        redraw[:, 1 + blocks : 1 + 2 * blocks] |= unknown
        return Population(space, _canonical(space, np.where(redraw, _drawn(space, len(self), rng), self.genes)))

    def crossed(self, other: "Population", rng: np.random.Generator) -> "Population":
        """Cross each of them with the one in the same place of another, as `SearchSpace.crossover` does."""
        space, blocks = self.space, self.space.num_blocks
        of_other = rng.integers(0, 2, self.genes.shape, dtype=np.uint8).view(np.bool_)
        has, other_has = self.active, other.active
        only_one, only_other = has & ~other_has, other_has & ~has
        for start in (1, 1 + blocks):
            part = of_other[:, start : start + blocks]
            part |= only_other
            part &= ~only_one
        return Population(space, _canonical(space, np.where(of_other, other.genes, self.genes)))

    def keys(self) -> list[bytes]:
        """Name each of them by its genes: equal keys, equal architectures."""
        return np.ascontiguousarray(self.genes).view(f"V{self.genes.shape[1]}").ravel().tolist()

    def distinct(self) -> "Population":
        """Leave out those that were there before."""
        first: dict[bytes, int] = {}
        for number, key in enumerate(self.keys()):
            first.setdefault(key, number)
        return self.take(list(first.values()))

    def features(self) -> NDArray[np.float32]:
        """Return them as features of a predictor, (N, F), row by row what `SearchSpace.encode` returns."""
        space, count = self.space, len(self)
        active = self.active[:, :, None]
        parts = [
            np.equal.outer(self.resolution, _indices(space.resolutions)),
            np.equal.outer(self.kernels, _indices(space.kernel_sizes)) & active,
            np.equal.outer(self.ratios, _indices(space.expand_ratios)) & active,
        ]
        return np.concatenate([part.reshape(count, math.prod(part.shape[1:])) for part in parts], axis=1).astype(
            np.float32
        )


def _indices(choices: tuple[int, ...]) -> Genes:
    return np.arange(len(choices), dtype=np.uint8)


def _choices(space: SearchSpace) -> NDArray[np.int64]:
    """Return how many choices there are for each gene, (G,)."""
    blocks = space.num_blocks
    counts = [len(space.resolutions), *[len(space.kernel_sizes)] * blocks, *[len(space.expand_ratios)] * blocks]
    counts += [len(space.depths)] * len(space.stages)
    if max(counts) > _MOST_CHOICES:
        raise UsageError(
            f"a population holds at most {_MOST_CHOICES} choices of a kind, not {max(counts)}",
            where=f"space {space.name}",
        )
    return np.array(counts)


def _drawn(space: SearchSpace, count: int, rng: np.random.Generator) -> Genes:
    counts = _choices(space)
    # Single precision never rounds up to the next whole number here, and favours no choice by more than 2^-16.
    return (rng.random((count, len(counts)), dtype=np.float32) * counts.astype(np.float32)).astype(np.uint8)


def _active(space: SearchSpace, genes: Genes) -> NDArray[np.bool_]:
    depths = np.array(space.depths)[genes[:, 1 + 2 * space.num_blocks :]]
    return (np.arange(space.depths[-1]) < depths[:, :, None]).reshape(len(genes), space.num_blocks)


def _canonical(space: SearchSpace, genes: Genes) -> Genes:
    """Set the choices of skipped blocks to the smallest, in place: these genes were made here and nobody has them."""
    blocks, active = space.num_blocks, _active(space, genes)
    genes[:, 1 : 1 + blocks] *= active
    genes[:, 1 + blocks : 1 + 2 * blocks] *= active
    return genes
