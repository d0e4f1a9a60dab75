"""What a network must meet in a scenario, and how it is found out whether it does."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.devices.catalog import Device
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import network_subject
from carbon_nas.errors import InfeasibleScenario, UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.training.tally import Tally

__all__ = ["Constraint", "Latencies", "TIMING_PASSES", "feasible_sample", "infeasible"]

TIMING_PASSES = 15
"""Passes of a network that is timed end to end, alone: as many as for the one that is delivered in the end."""

_TRIES = 1_000
_NEARLY_RATIO = 1.2  # A table that is off by this much orders the fastest by chance.


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """What a network must meet in a scenario: a limit, and the table that predicts a network's latency.

    Attributes:
        device: where a network can be timed; None if the table is all there is.
    """

    table: LatencyTable
    limit_ms: float
    device: Device | None = None

    def met_by(self, space: SearchSpace, arch: Architecture) -> bool:
        """Tell whether an architecture is predicted to be fast enough."""
        return self.table.predict_ms(space, arch) <= self.limit_ms

    def check(self, space: SearchSpace, *, where: str | None = None) -> AdditiveLatency:
        """Make sure that an architecture is predicted to meet the limit, and return the table as arrays.

        Raises:
            InfeasibleScenario: if not even the fastest of the space does.
        """
        latency = AdditiveLatency.of(self.table, space)
        fastest = latency.fastest()
        # As `met_by` has it: a limit that is exactly the fastest one's latency is not missed by a rounding.
        if not self.met_by(space, fastest):
            raise infeasible(self.limit_ms, fastest, self.table.predict_ms(space, fastest), where=where)
        return latency

    def proposing(self, space: SearchSpace) -> "Constraint":
        """Return the constraint under which a search proposes: this one, or one that a table cannot rule out.

        A table that is not trusted may say that nothing is fast enough. Then what it takes to be nearly the fastest is
        proposed, and timed before anything is believed.
        """
        latency = AdditiveLatency.of(self.table, space)
        if not self.timed or self.met_by(space, latency.fastest()):
            return self
        return replace(self, limit_ms=_NEARLY_RATIO * self.table.predict_ms(space, latency.fastest()))

    @property
    def timed(self) -> bool:
        """Whether latencies are believed only once they have been timed."""
        return self.device is not None and not self.table.trusted

    def words(self) -> str:
        """Say how latencies are found out, for a log."""
        if self.table.trusted:
            believed = "only what is chosen is timed"
        elif self.timed:
            believed = "it only proposes, and no network is believed before it is timed"
        else:
            believed = "there is no device to time on, so it is believed all the same"
        return f"the latency table is {self.table.verdict}; {believed}"

    def latencies(
        self, space: SearchSpace, rng: random.Random, tally: Tally, *, passes: int = TIMING_PASSES
    ) -> "Latencies":
        """Return what tells the latencies of architectures in this scenario."""
        return Latencies(self, space, rng, tally, passes=passes)


class Latencies:
    """What architectures take in one scenario: by the table where it is trusted, timed where it is not.

    Args:
        constraint: the scenario's.
        space: what the architectures are of.
        rng: orders the passes of a timing.
        tally: is told what every timing computes.
        passes: of one timing.
    """

    def __init__(
        self, constraint: Constraint, space: SearchSpace, rng: random.Random, tally: Tally, *, passes: int
    ) -> None:
        self._constraint, self._space, self._rng, self._tally = constraint, space, rng, tally
        self._passes, self._timed_ms = passes, dict[Architecture, float]()

    def to_json(self) -> list[list[Any]]:
        """Return what was timed so far as JSON values."""
        return [[arch.to_json(), timed_ms] for arch, timed_ms in self._timed_ms.items()]

    def remember(self, timed: Sequence[Sequence[Any]]) -> None:
        """Take up what an earlier attempt has timed: what is not timed again costs nothing and says the same."""
        self._timed_ms |= {self._space.from_json(arch): timed_ms for arch, timed_ms in timed}

    def latency_ms(self, arch: Architecture) -> float:
        """Return the latency of an architecture, as far as it can be known here."""
        if self._constraint.timed:
            return self.time_ms(arch)
        return self._constraint.table.predict_ms(self._space, arch)

    def met_by(self, arch: Architecture) -> bool:
        """Tell whether an architecture is fast enough."""
        return self.latency_ms(arch) <= self._constraint.limit_ms

    def time_ms(self, arch: Architecture) -> float:
        """Time an architecture end to end, untrained; each only once.

        Raises:
            UsageError: if there is no device to time it on.
        """
        if arch not in self._timed_ms:
            device, table = self._constraint.device, self._constraint.table
            if device is None:
                raise UsageError("there is no device to time a network on", where=f"target {table.target}")
            subject = network_subject(self._space, arch, table.num_classes)
            timing = device.time([subject], passes=self._passes, rng=self._rng, anchor_ms=table.anchor_ms)
            self._tally.macs += timing.macs
            self._timed_ms[arch] = timing.latency_ms[subject.key]
        return self._timed_ms[arch]


def infeasible(
    limit_ms: float, fastest: Architecture, latency_ms: float, *, where: str | None, how: str = "takes"
) -> InfeasibleScenario:
    """Say that nothing meets a limit, and what comes nearest."""
    return InfeasibleScenario(
        f"no architecture takes {limit_ms:.3g} ms or less: the fastest, {fastest}, {how} {latency_ms:.3g} ms",
        where=where,
        cure="raise its limit",
    )


def feasible_sample(
    space: SearchSpace, constraint: Constraint, rng: random.Random, *, tries: int = _TRIES
) -> Architecture:
    """Draw a random architecture that meets a constraint; the fastest of the space if chance does not find one."""
    for _ in range(tries):
        arch = space.sample(rng)
        if constraint.met_by(space, arch):
            return arch
    return constraint.table.fastest(space)
