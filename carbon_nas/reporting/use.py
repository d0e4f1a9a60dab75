"""The tables of delivered networks at work: energy per image, speed beside hand-scaled rivals, payback."""

from collections.abc import Sequence

from carbon_nas.comparison.payback import FleetPayback, Payback
from carbon_nas.comparison.speedup import PUBLISHED_SPEEDUPS, Speedup
from carbon_nas.comparison.use_phase import Inference
from carbon_nas.reporting.cells import counted, maybe, word
from carbon_nas.reporting.document import Cell, Column, Table, Text
from carbon_nas.reporting.numbers import count, latency, percent, significant
from carbon_nas.sources import Tier

__all__ = ["fleet_table", "payback_table", "speedup_table", "use_table"]


def use_table(found: Sequence[Inference]) -> Table | None:
    """Return what an image costs through each delivered network; None if nothing was metered at work."""
    if not found:
        return None
    # An estimate has no sensor, and a column that only says so says nothing.
    sensed = any(one.random_u_j is not None or one.below_resolution is not None for one in found)
    rows = [
        (
            word(one.scenario),
            word(one.strategy),
            word(str(one.seed)),
            counted(one.images, "images"),
            maybe(one.image_j, one.tier, "not known"),
            maybe(one.random_u_j, Tier.MODELLED, "not quantified"),
            word("not known") if one.latency_ms is None else _ms(one.latency_ms),
            word("yes" if one.below_resolution else "no" if one.below_resolution is not None else "not known"),
        )
        for one in _ordered(found)
    ]
    return Table(
        key="use",
        title="At work: energy per image",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="images_n", title="images"),
            Column(key="image_j", title="IT energy per image"),
            Column(key="random_u_j", title="u, random", shown=sensed),
            Column(key="latency_ms", title="latency of a call"),
            Column(key="below_resolution", title="too little to tell from zero", numeric=False, shown=sensed),
        ),
        rows=tuple(rows),
        note="Metered on the device that was timed, while each network worked without a pause, loading included; "
        "gross, so on a busy machine it is more. It is the use phase: no part of what finding a network cost.",
    )


def _ordered(found: Sequence[Inference]) -> list[Inference]:
    return sorted(found, key=lambda one: (one.scenario, one.seed, one.strategy))


def _ms(value: float) -> Cell:
    return Cell(text=latency(value), tier=Tier.MEASURED, value=value, unit="ms")


def speedup_table(found: Sequence[Speedup]) -> Table | Text:
    """Return how fast each network is beside the fastest hand-scaled one that is as accurate.

    Where there is no such network for any, that is one sentence.
    """
    claims = " and ".join(f"{one.value:g} {one.unit}" for one in PUBLISHED_SPEEDUPS)
    source = PUBLISHED_SPEEDUPS[0].source
    research = f"The research says {claims} [{source.key}, {source.where}], on ImageNet and other devices."
    if all(one.rival is None for one in found):
        return Text(
            text=f"How fast, beside networks that were scaled by hand: none. {research} This study has no network that "
            "nobody searched for and that is as accurate, to one point, so there is nothing to set beside it."
        )
    rows = [
        (
            word(one.scenario),
            word(one.strategy),
            word(str(one.seed)),
            word("not known") if one.latency_ms is None else _ms(one.latency_ms),
            word(one.rival or "none"),
            word("none") if one.rival_ms is None else _ms(one.rival_ms),
            word("none")
            if one.speedup_ratio is None
            else Cell(text=f"{significant(one.speedup_ratio)} x", tier=Tier.MODELLED, value=one.speedup_ratio),
        )
        for one in found
    ]
    return Table(
        key="speedups",
        title="How fast, beside networks that were scaled by hand",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="latency_ms", title="latency"),
            Column(key="rival", title="fastest rival as accurate", numeric=False),
            Column(key="rival_ms", title="its latency"),
            Column(key="speedup_ratio", title="times as fast"),
        ),
        rows=tuple(rows),
        note=f"{research} The rival is the fastest network that nobody searched for, on the same device, at most one "
        "point less accurate; none: there is no such network for that scenario and seed.",
    )


def payback_table(found: Sequence[Payback]) -> Table | None:
    """Return after how many images a network has returned what finding it took; None if nothing was metered at work."""
    if not found:
        return None
    rows = [
        (
            word(one.scenario),
            word(one.strategy),
            word(one.rival),
            word(str(one.seed)),
            maybe(one.spent_j, Tier.MODELLED, "not known"),
            maybe(one.saved_image_j, Tier.MODELLED, "not known"),
            _images(one.images, one),
            _images(one.extra_images, one),
            _images(one.equal_images, None),
            word({True: "yes", False: "no", None: "not quantified"}[one.told_apart]),
        )
        for one in found
    ]
    return Table(
        key="payback",
        title="Payback: when cheaper work has returned what finding the network took",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="rival", title="in place of", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="spent_j", title="finding it took, IT energy"),
            Column(key="saved_image_j", title="saved per image, IT energy"),
            Column(key="images_n", title="images to return all of it"),
            Column(key="extra_images_n", title="to return what it took more"),
            Column(key="equal_images_n", title="images that use as much"),
            Column(
                key="told_apart",
                title="saving above the noise of sensors",
                numeric=False,
                shown=any(one.told_apart is not None for one in found),
            ),
        ),
        rows=tuple(rows),
        note="IT energy on both sides, whatever the PUE of a site is. Finding it: all phases of its scenario and an "
        "even share of what was paid once for those that were run. Never: an image does not use less. "
        "Images that use as much: from there on its use has taken more energy than finding it.",
    )


def _images(images: int | None, repaid: Payback | None) -> Cell:
    if images is None:
        saved_j = None if repaid is None else repaid.saved_image_j
        return word("not known" if saved_j is None or saved_j > 0 else "never")
    return Cell(text=count(float(images)), tier=Tier.MODELLED, value=float(images), unit="images")


def fleet_table(found: Sequence[FleetPayback]) -> Table | None:
    """Return the same in the life of a fleet; None if no fleet was named."""
    if not found:
        return None
    fleet = found[0].fleet
    rows = [
        (
            word(one.payback.scenario),
            word(one.payback.strategy),
            word(one.payback.rival),
            word(str(one.payback.seed)),
            word("never") if one.days is None else counted(float(one.days), "days", Tier.MODELLED),
            word("yes" if one.within_lifetime else "no"),
            maybe(one.use_j, Tier.MODELLED, "not known"),
            maybe(one.rival_use_j, Tier.MODELLED, "not known"),
            word("not known")
            if one.use_share is None
            else Cell(text=percent(one.use_share), tier=Tier.MODELLED, value=one.use_share),
        )
        for one in found
    ]
    return Table(
        key="fleet",
        title=f"A fleet of {fleet.devices:,} devices",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="rival", title="in place of", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="days_n", title="paid back on day"),
            Column(key="within_lifetime", title="within its life", numeric=False),
            Column(key="use_j", title="use in its life, IT energy"),
            Column(key="rival_use_j", title="with the rival's network"),
            Column(key="use_share", title="use of all energy"),
        ),
        rows=tuple(rows),
        note=f"{fleet.devices:,} devices, {fleet.requests_per_day:,} images a device and day, {fleet.lifetime_days:,} "
        "days: assumptions, and no measurement. Devices in the field are taken to use what the metered one does.",
    )
