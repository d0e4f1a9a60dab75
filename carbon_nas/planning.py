"""The door to a plan: what a study names and is going to compute, before anything is run."""

from typing import TYPE_CHECKING

from carbon_nas.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from carbon_nas.study import Study
    from carbon_nas.study.costing import PlannedCost

__all__ = ["check_references", "show_plan"]


def check_references(study: "Study") -> None:
    """Refuse a study that names a published number which is not in the register, before anything is paid.

    The study cannot know: only the doors see the register and the wing that trains.

    Raises:
        UnknownName: which tells what comes near.
    """
    from difflib import get_close_matches

    from carbon_nas.references import REFERENCES, nas_costs
    from carbon_nas.study.setting import starts_of

    known = sorted({*nas_costs(), *REFERENCES})
    for name, start in starts_of(study).items():
        if start.reference is not None and start.reference not in known:
            near = get_close_matches(start.reference, known, n=3) or sorted(nas_costs())
            raise UnknownName(
                f"the register has no published number {start.reference!r}",
                where=f"{name}.start.reference",
                cure=f"choose one of {', '.join(near)}",
            )


def show_plan(console: "Console", study: "Study") -> None:
    """Print the phases of a study with their work, and what published hardware would have used for it.

    Raises:
        UsageError: if the sizes of the workload are only in its data, and no data is named.
    """
    from rich import box
    from rich.table import Table

    from carbon_nas.study import load_study
    from carbon_nas.study.costing import planned_costs

    costs = planned_costs(study)
    j_per_mac = _published_j_per_mac(planned_costs(load_study("imagenet")))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("phase", "done"):
        table.add_column(heading, no_wrap=True)
    for heading in ("image passes", "MACs", "kWh at OFA's rate"):
        table.add_column(heading, justify="right", no_wrap=True)
    for strategy in study.strategies:
        own = [cost for cost in costs if cost.strategy == strategy]
        table.add_row(f"[bold]{strategy}[/bold]")
        for cost in own:
            done = "once" if cost.scope == "once" else f"x {cost.scenarios}"
            table.add_row(f"  {cost.phase}", done, *_numbers(cost, j_per_mac))
        images = sum(cost.image_passes * cost.scenarios for cost in own)
        macs = sum(cost.macs * cost.scenarios for cost in own if cost.macs is not None)
        whole = "all but that, for a seed" if any(cost.paid_before for cost in own) else "all of it, for a seed"
        table.add_row(f"  {whole}", "", *_written(images, macs, j_per_mac), end_section=True)
    title = f"{study.name}: {_count(study.seeds, 'seed')}, {_count(len(study.scenarios), 'scenario')}"
    console.print(f"{title}; modelled, not run", highlight=False, soft_wrap=True)
    if study.note is not None:
        console.print(f"Note: {study.note}", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(_legend(j_per_mac, costs), highlight=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _numbers(cost: "PlannedCost", j_per_mac: float) -> tuple[str, str, str]:
    if cost.paid_before:
        return "paid before", "-", "-"
    return ("-", "-", "-") if cost.macs is None else _written(cost.image_passes, cost.macs, j_per_mac)


def _written(image_passes: int, macs: int, j_per_mac: float) -> tuple[str, str, str]:
    from carbon_nas.units import J_PER_KWH

    return f"{image_passes:.1e}", f"{macs:.1e}", f"{macs * j_per_mac / J_PER_KWH:.1e}"


def _legend(j_per_mac: float, costs: "Sequence[PlannedCost]") -> str:
    open_ended = sorted({cost.phase for cost in costs if cost.macs is None})
    return (
        "An image passes a network forward once, and backward as work of two passes. Profiling and use go by the clock "
        "and are left out"
        + (f"; {' and '.join(open_ended)} goes on for as long as it helps, and is not in the sums" * bool(open_ended))
        + "; what a supernet that is loaded had cost is in no sum" * any(cost.paid_before for cost in costs)
        + f".\nThe rate, {j_per_mac * 1e12:.0f} pJ/MAC, is 1,200 V100-hours (Cai et al. 2020, section 4.1) at 188 W "
        "(Strubell et al. 2019) over the MACs of the paper's stages as planned here. It is a model of other hardware: "
        "small networks and other machines use several times more or less. Run the study to know."
    )


def _published_j_per_mac(paper: "Sequence[PlannedCost]") -> float:
    from carbon_nas.references import nas_costs, power_per_gpu_w
    from carbon_nas.units import S_PER_H

    hours = nas_costs()["cai2020-ofa"].train_once_gpu_h
    stages = [cost for cost in paper if cost.strategy == "once_for_all" and cost.trains_supernet]
    return (hours or 0.0) * S_PER_H * power_per_gpu_w("V100") / sum(cost.macs or 0 for cost in stages)
