"""Building a latency table on a live device, and setting a latency limit from random architectures."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.devices.catalog import Device, Subject, Timing
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import cost, layer_cost
from carbon_nas.supernet.layers import LayerSpec
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3, layer

__all__ = ["Profile", "ProfilePlan", "layer_specs", "network_subject", "profile"]


class ProfilePlan(BaseModel):
    """How carefully a device is profiled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passes: int = Field(default=5, ge=1)
    """Shuffled passes over all layers and networks."""
    fit_networks: int = Field(default=8, ge=2)
    """Random networks, timed whole, that the sums are fitted to."""
    check_networks: int = Field(default=8, ge=0)
    """Other random networks that show how good the fit is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """A latency table, the latencies of random architectures, and their median as the limit."""

    table: LatencyTable
    sample_ms: tuple[float, ...]
    limit_ms: float
    macs: int


def layer_specs(space: SearchSpace, num_classes: int) -> dict[str, LayerSpec]:
    """Return every distinct layer that an architecture of the space can be made of, by key."""
    found: dict[str, LayerSpec] = {}
    for resolution in space.resolutions:
        for k in space.kernel_sizes:
            for e in space.expand_ratios:
                arch = space.architecture(ks=k, e=e, d=space.depths[-1], resolution=resolution)
                found.update({spec.key: spec for spec in space.layers(arch, num_classes)})
    return found


def network_subject(space: SearchSpace, arch: Architecture, num_classes: int) -> Subject:
    """Wrap a whole network, untrained, for timing."""
    return Subject(
        key=f"network-{arch.key}",
        module=StaticMobileNetV3(space, arch, num_classes),
        input_shape=(space.in_channels, arch.resolution, arch.resolution),
        macs=cost(space, arch, num_classes).macs,
    )


def profile(device: Device, space: SearchSpace, num_classes: int, plan: ProfilePlan, rng: random.Random) -> Profile:
    """Time every layer that the space can be made of, and some random networks, in one go."""
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
    wanted = plan.fit_networks + plan.check_networks
    nets: dict[str, Architecture] = {}
    for _ in range(100 * wanted):  # A tiny space may not hold as many different ones.
        if len(nets) == wanted:
            break
        arch = space.sample(rng)
        nets[f"network-{arch.key}"] = arch
    subjects += [network_subject(space, arch, num_classes) for arch in nets.values()]
    timing = device.time(subjects, passes=plan.passes, rng=rng)
    table = _fit(device.target.name, space, num_classes, timing, nets, set(specs), plan.fit_networks)
    sample_ms = tuple(timing.latency_ms[key] for key in nets)
    return Profile(table=table, sample_ms=sample_ms, limit_ms=statistics.median(sample_ms), macs=timing.macs)


def _fit(
    target: str,
    space: SearchSpace,
    num_classes: int,
    timing: Timing,
    nets: dict[str, Architecture],
    layer_keys: set[str],
    fit_networks: int,
) -> LatencyTable:
    raw = LatencyTable(
        target=target,
        entries_ms={key: timing.latency_ms[key] for key in sorted(layer_keys)},
        scale_ratio=1.0,
        offset_ms=0.0,
        anchor_ms=timing.anchor_ms,
        anchor_spread_ratio=timing.anchor_spread_ratio,
        error_fraction=None,
        rank_correlation_ratio=None,
        num_classes=num_classes,
    )
    sums = np.array([raw.predict_ms(space, arch) for arch in nets.values()])
    whole = np.array([timing.latency_ms[key] for key in nets])
    scale, offset = _line(sums[:fit_networks], whole[:fit_networks])
    predicted, seen = offset + scale * sums[fit_networks:], whole[fit_networks:]
    fields = {
        **raw.to_json(),
        "scale_ratio": scale,
        "offset_ms": offset,
        "error_fraction": float(np.mean(np.abs(predicted - seen) / seen)) if len(seen) else None,
        "rank_correlation_ratio": _spearman(predicted, seen) if len(seen) > 2 else None,
    }
    return LatencyTable.from_json(fields)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    if np.ptp(x) == 0.0:
        return float(y.mean() / x.mean()), 0.0
    scale, offset = np.polyfit(x, y, 1)
    # A falling or flat line would rank architectures backwards: then the plain ratio is the better model.
    return (float(scale), float(offset)) if scale > 0 else (float(y.mean() / x.mean()), 0.0)


def _spearman(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (x, y)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
