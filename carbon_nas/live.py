"""What a person sees while a study runs: the phase, joules and CO2e so far, and about how long it will take."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console

from carbon_nas.accounting.site import Site
from carbon_nas.reporting.numbers import energy, mass

if TYPE_CHECKING:
    from carbon_nas.study.events import Event, PhaseEnds, PlannedPhase

__all__ = ["LiveView", "about"]


def about(duration_s: float) -> str:
    """Write a duration roughly."""
    if duration_s < 90:
        return f"{max(1, round(duration_s))} s"
    return f"{round(duration_s / 60)} min" if duration_s < 5_400 else f"{duration_s / 3_600:.1f} h"


class LiveView:
    """An observer of a study. On a terminal it draws a bar, elsewhere it prints a line per finished phase.

    Args:
        console: where to write.
        site: turns joules into CO2e once it is named.
        now_s: what tells the time.
    """

    def __init__(self, console: Console, site: Site, now_s: Callable[[], float] = time.monotonic) -> None:
        self._console, self._site, self._now_s = console, site, now_s
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.percentage:>3.0f} %"),
            progress.TextColumn("{task.fields[energy]}"),
            progress.TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            refresh_per_second=2,  # Drawing uses CPU time of the process that is metered.
        )
        self._task: progress.TaskID | None = None
        self._total = self._kept = self._done = self._resumed = 0
        self._began_s, self._spent_j, self._known, self._kept_phases = now_s(), 0.0, True, 0

    def __enter__(self) -> "LiveView":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def __call__(self, event: "Event") -> None:
        """Take one event of a study."""
        # Here, for events live in the wing that needs torch; when one arrives, torch is there.
        from carbon_nas.study.events import PhaseBegins, PhaseEnds, PhaseKept, Progress, StudyBegins

        match event:
            case StudyBegins():
                self._total = sum(phase.image_passes for phase in event.phases)
                self._began_s = self._now_s()
                self._task = self._bar.add_task("starting", total=self._total, energy="", left="")
            case PhaseKept():
                self._kept += event.planned.image_passes
                self._done += event.planned.image_passes
                self._kept_phases += 1
            case PhaseBegins():
                self._say_kept()
                self._show(event.planned, 0, 0.0)
            case Progress():
                whole = event.planned.image_passes
                # What earlier attempts did is done, and says nothing about how fast this process is.
                self._resumed = min(event.image_passes_before, whole)
                self._show(event.planned, min(event.image_passes_before + event.image_passes, whole), event.energy_j)
            case PhaseEnds():
                self._end(event)

    def _say_kept(self) -> None:
        if self._kept_phases:
            self._console.print(f"{self._kept_phases} phases were done before and are kept")
            self._kept_phases = 0

    def _end(self, event: "PhaseEnds") -> None:
        planned, energy_j = event.planned, event.energy_j
        self._done += planned.image_passes
        self._kept += min(event.image_passes_before, planned.image_passes)
        self._resumed = 0
        if energy_j is None:
            self._known = False
        else:
            self._spent_j += energy_j
        spent = "energy not known" if energy_j is None else energy(energy_j)
        line = f"{planned.run:<18} {planned.phase:<22} {spent:>10} {event.duration_s:>7.1f} s"
        told = line if self._console.is_terminal else f"{line}   {self._left(0)}"
        self._console.print(told, highlight=False, soft_wrap=True)
        self._show(planned, 0, 0.0)

    def _left(self, passes: int) -> str:
        own = self._done - self._kept + passes - self._resumed
        if own <= 0 or self._total <= self._done + passes:
            return ""
        rate = (self._now_s() - self._began_s) / own
        return f"about {about(rate * (self._total - self._done - passes))} left"

    def _spent(self, running_j: float | None) -> str:
        if not self._known or running_j is None:
            return "energy not known"
        joules = self._spent_j + running_j
        if not self._site.named:
            return energy(joules)
        return f"{energy(joules)}, {mass(self._site.mass_kg(joules, self._site.grids[0]))} CO2e"

    def _show(self, planned: "PlannedPhase", passes: int, running_j: float | None) -> None:
        if self._task is not None:
            self._bar.update(
                self._task,
                description=f"{planned.run}: {planned.phase}",
                completed=self._done + passes,
                energy=self._spent(running_j),
                left=self._left(passes),
            )
