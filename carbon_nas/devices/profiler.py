"""Building a latency table on a live device, and setting a latency limit from random architectures."""

import contextlib
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from carbon_nas.devices.device import Device, Subject, Timing
from carbon_nas.devices.fingerprint import fingerprint
from carbon_nas.devices.latency_table import LatencyTable, layer_specs
from carbon_nas.devices.validation import validate
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import cost, layer_cost
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3, layer

__all__ = ["Profile", "ProfilePlan", "check_table", "layer_specs", "network_subject", "profile", "settings"]

_FEWEST_TO_CHECK = 3  # Fewer have no rank correlation.


class ProfilePlan(BaseModel):
    """How carefully a device is profiled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passes: int = Field(default=5, ge=1)
    """Shuffled passes over all layers and networks."""
    fit_networks: int = Field(default=8, ge=2)
    """Random networks, timed whole, that the sums are fitted to."""
    check_networks: int = Field(default=8, ge=0)
    """Other random networks that show how good the fit is."""
    tables: str | None = None
    """A kept table, or a folder with one for each target: then only the networks of the check are timed."""

    @model_validator(mode="after")
    def _kept_tables_are_checked(self) -> "ProfilePlan":
        if self.tables is not None and self.check_networks < _FEWEST_TO_CHECK:
            raise ValueError(f"a kept table needs at least {_FEWEST_TO_CHECK} check_networks")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """A latency table, the latencies of random architectures, and their median as the limit."""

    table: LatencyTable
    sample_ms: tuple[float, ...]
    limit_ms: float
    macs: int


def network_subject(space: SearchSpace, arch: Architecture, num_classes: int) -> Subject:
    """Wrap a whole network, untrained, for timing."""
    return Subject(
        key=f"network-{arch.key}",
        module=StaticMobileNetV3(space, arch, num_classes),
        input_shape=(space.in_channels, arch.resolution, arch.resolution),
        macs=cost(space, arch, num_classes).macs,
    )


@contextlib.contextmanager
def settings(threads: int) -> Iterator[None]:
    """Set PyTorch for as long as something is trained or timed: its threads, and no denormal numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    # Numbers below 1e-38 make a CPU ten times slower and change no result that anybody looks at.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def profile(device: Device, space: SearchSpace, num_classes: int, plan: ProfilePlan, rng: random.Random) -> Profile:
    """Time every layer that the space can be made of, and some random networks, in one go.

    The sums of layers are fitted to the first of the networks by a line, and checked on the others. Layers and networks
    share their passes and their anchor, so that a machine that is busy for a while slows down both.
    """
    specs = layer_specs(space, num_classes)
    subjects = [
        Subject(
            key=key,
            module=layer(spec),
            input_shape=(spec.in_channels, spec.size, spec.size),
            macs=layer_cost(spec).macs,
        )
        for key, spec in specs.items()
    ]
    nets = _drawn(space, plan.fit_networks + plan.check_networks, rng)
    subjects += [network_subject(space, arch, num_classes) for arch in nets.values()]
    timing = device.time(subjects, passes=plan.passes, rng=rng)
    raw = LatencyTable(
        target=device.target.name,
        entries_ms={key: timing.latency_ms[key] for key in sorted(specs)},
        scale_ratio=1.0,
        offset_ms=0.0,
        anchor_ms=timing.anchor_ms,
        anchor_spread_ratio=timing.anchor_spread_ratio,
        error_fraction=None,
        rank_correlation_ratio=None,
        num_classes=num_classes,
        space=space.name,
        fingerprint=fingerprint(device.target),
    )
    sums_ms = [raw.alone_ms(space, arch) for arch in nets.values()]
    whole_ms = [timing.latency_ms[key] for key in nets]
    scale_ratio, offset_ms = _line(sums_ms[: plan.fit_networks], whole_ms[: plan.fit_networks])
    line = replace(raw, scale_ratio=scale_ratio, offset_ms=offset_ms)
    return _profile(line, space, nets, timing, unseen=plan.fit_networks)


def check_table(
    device: Device, table: LatencyTable, space: SearchSpace, plan: ProfilePlan, rng: random.Random
) -> Profile:
    """Check a kept table on random networks that are timed now, and set the limit from them; nothing else is timed.

    Raises:
        LedgerMismatch: if it was made on another machine.
        UsageError: if it does not speak about this space.
    """
    table.check_space(space, table.num_classes)
    table.check_here(fingerprint(device.target))
    nets = _drawn(space, max(plan.check_networks, _FEWEST_TO_CHECK), rng)
    subjects = [network_subject(space, arch, table.num_classes) for arch in nets.values()]
    timing = device.time(subjects, passes=plan.passes, rng=rng, anchor_ms=table.anchor_ms)
    return _profile(replace(table, kept_sha256=table.digest), space, nets, timing, unseen=0)


def _drawn(space: SearchSpace, wanted: int, rng: random.Random) -> dict[str, Architecture]:
    nets: dict[str, Architecture] = {}
    for _ in range(100 * wanted):  # A tiny space may not hold as many different ones.
        if len(nets) == wanted:
            break
        arch = space.sample(rng)
        nets[f"network-{arch.key}"] = arch
    return nets


def _profile(
    table: LatencyTable, space: SearchSpace, nets: Mapping[str, Architecture], timing: Timing, *, unseen: int
) -> Profile:
    """Check a table on the networks from `unseen` on, and take the limit from all of them."""
    archs = list(nets.values())
    sample_ms = tuple(timing.latency_ms[key] for key in nets)
    predicted_ms = [table.predict_ms(space, arch) for arch in archs[unseen:]]
    limit_ms = statistics.median(sample_ms)
    checked = table.checked(validate(predicted_ms, sample_ms[unseen:]))
    return Profile(
        table=_not_contradicting(checked, space, archs, limit_ms),
        sample_ms=sample_ms,
        limit_ms=limit_ms,
        macs=timing.macs,
    )


def _not_contradicting(
    table: LatencyTable, space: SearchSpace, archs: Sequence[Architecture], limit_ms: float
) -> LatencyTable:
    """Mend a table by which no architecture meets the limit, though half of those that were timed do.

    No sum is less than the fastest architecture's, so under the ratio of the medians that one meets the limit for sure.
    """
    if table.predict_ms(space, table.fastest(space)) <= limit_ms:
        return table
    middle_ms = statistics.median(table.alone_ms(space, arch) for arch in archs)
    # A hair less, so that rounding does not undo it. All the networks had a part in it: none is left to check it on.
    ratio = limit_ms / middle_ms * (1 - 1e-9)
    return replace(table.checked(None), scale_ratio=ratio, offset_ms=0.0)


def _line(sums_ms: Sequence[float], whole_ms: Sequence[float]) -> tuple[float, float]:
    """Fit a line by the median of all slopes: one network that was disturbed does not bend it.

    Source: Theil 1950; Sen, JASA 63 (1968), 1379-1389.
    """
    pairs = list(zip(sums_ms, whole_ms, strict=True))
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(pairs, 2) if x1 != x2]
    scale_ratio = statistics.median(slopes) if slopes else 0.0
    if scale_ratio > 0:
        return scale_ratio, statistics.median(y - scale_ratio * x for x, y in pairs)
    # A falling or flat line would rank architectures backwards: then the plain ratio is the better model.
    return statistics.median(y / x for x, y in pairs), 0.0
