"""About how long it will take, told by what this process did itself."""

from io import StringIO

from rich.console import Console

from carbon_nas.accounting.site import site
from carbon_nas.live import LiveView
from carbon_nas.study.events import PhaseBegins, PhaseEnds, PhaseKept, PlannedPhase, Progress, StudyBegins

FIRST, SECOND, THIRD = (
    PlannedPhase(run="once_for_all-seed0", phase=f"stage {number}", image_passes=1_000) for number in (1, 2, 3)
)


class Watch:
    """A view on a clock that is set by hand, and what it says is left."""

    def __init__(self):
        self.time_s, self.text = 0.0, StringIO()
        self.view = LiveView(Console(file=self.text, width=120), site(), now_s=lambda: self.time_s)
        self.view(StudyBegins(phases=(FIRST, SECOND, THIRD)))

    def told(self, event):
        """Return what the view adds to its lines with an event."""
        start = len(self.text.getvalue())
        self.view(event)
        return self.text.getvalue()[start:]


def ends(planned, before):
    return PhaseEnds(planned=planned, image_passes_before=before, energy_j=1.0, duration_s=1.0)


def left(watch):
    return watch.view._bar.tasks[0].fields["left"]


def test_a_phase_that_goes_on_is_counted_as_done_and_not_as_done_in_this_process():
    watch = Watch()
    watch.view(PhaseBegins(planned=FIRST))
    watch.time_s = 10.0
    # 100 passes in ten seconds; 2,000 and the last 100 of this phase are to come.
    watch.view(Progress(planned=FIRST, image_passes=100, image_passes_before=800, energy_j=1.0))
    assert left(watch) == "about 4 min left"  # 210 s
    watch.time_s = 20.0
    assert "about 3 min left" in watch.told(ends(FIRST, 800))  # 2,000 passes at 10 a second


def test_whole_phases_that_were_kept_say_nothing_about_this_process_either():
    watch = Watch()
    watch.view(PhaseKept(planned=FIRST))
    watch.view(PhaseBegins(planned=SECOND))
    watch.time_s = 40.0
    assert "about 40 s left" in watch.told(ends(SECOND, 0))


def test_an_earlier_attempt_that_did_more_than_was_planned_makes_no_time_negative():
    watch = Watch()
    watch.view(PhaseBegins(planned=FIRST))
    watch.time_s = 10.0
    watch.view(Progress(planned=FIRST, image_passes=50, image_passes_before=1_200, energy_j=1.0))
    assert left(watch) == ""  # Nothing that was planned has been done in this process, so nobody knows.
    watch.time_s = 20.0
    assert watch.told(ends(FIRST, 1_200)).rstrip().endswith("s")
    watch.view(PhaseBegins(planned=SECOND))
    watch.time_s = 30.0
    assert "about 30 s left" in watch.told(ends(SECOND, 0))
