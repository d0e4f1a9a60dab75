"""One attempt at a phase: it goes on from what an earlier one kept, and keeps its own state while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from carbon_nas.errors import OutputError
from carbon_nas.ledger.observations import Incident
from carbon_nas.ledger.records import Saved
from carbon_nas.meters.clock import Clock, utc
from carbon_nas.recorder import Recorder
from carbon_nas.recorder.phase import PhaseWindow
from carbon_nas.strategies.artefact import Artefact, Artefacts
from carbon_nas.strategies.base import Phase
from carbon_nas.strategies.context import PhaseContext

__all__ = ["Attempt", "SAVE_INTERVAL_S"]

SAVE_INTERVAL_S = 5.0
"""The least time between two saved states of a phase, and so about how much is done again after a kill, besides what it
was in the middle of. One save of the digits supernet takes 6 ms, most of it for packing 246 tensors: that would be 6 %
of an epoch of 100 ms, and is 0.1 % of 5 s."""


_PASSES = "image_passes"


def _unwatched(_: PhaseContext, __: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """An attempt at a phase.

    Its state goes into a file first, then into the ledger, then the older file goes away. So whenever the process is
    killed, the last line about a state names a file that is there, and a file that no line names is not used.

    Attributes:
        phase: what is done.
        key: its name in the ledger.
        seed, job: what its chance is derived from.
        recorder: meters it, and writes the ledger.
        artefacts: where its state and its outcome are kept.
        clock: tells when it is time to save.
        save_interval_s: seconds between saved states, at the least; 0: whenever the phase offers one.
        watch: is given the context before the work begins, and how many image passes earlier attempts did of it.
    """

    phase: Phase
    key: str
    seed: int
    job: str
    recorder: Recorder
    artefacts: Artefacts
    clock: Clock
    save_interval_s: float = SAVE_INTERVAL_S
    watch: Callable[[PhaseContext, int], None] = _unwatched

    def run(self) -> PhaseWindow:
        """Go on from the last saved state, if there is one, or begin; do the work, and keep its outcome."""
        phase, saved = self.phase, self.recorder.run.saved.get(self.key)
        before = self._state(saved)
        resumes = None if saved is None or before is None else saved.artefact_hash
        passes_before = 0 if before is None else int(before.facts.get(_PASSES, 0))
        with self.recorder.phase(phase.name, scope=phase.scope, scenario=phase.scenario, resumes=resumes) as window:
            last_s = self.clock.monotonic_s()

            def keep(progress: int, state: Artefact) -> None:
                nonlocal last_s
                if self.clock.monotonic_s() - last_s >= self.save_interval_s:
                    _count(context, window)
                    passes = passes_before + context.tally.image_passes
                    self._save(window, progress, replace(state, facts={**state.facts, _PASSES: passes}))
                    last_s = self.clock.monotonic_s()

            context = PhaseContext(seed=self.seed, job=self.job, log=window.log_epoch, keep=keep, before=before)
            self.watch(context, passes_before)
            try:
                artefact = phase.run(context)
            finally:
                # What an attempt did that fails is known as well.
                _count(context, window)
            window.artefact_hash = self.artefacts.save(self.key, artefact)
            for event in artefact.events:
                self.recorder.append(event)
        self.artefacts.forget_states(self.key)
        return window

    def _state(self, saved: Saved | None) -> Artefact | None:
        if saved is None:
            self.artefacts.forget_states(self.key)
            return None
        state = self.artefacts.load_state(self.key, saved.progress, saved.artefact_hash)
        self.artefacts.forget_states(self.key, besides=None if state is None else saved.progress)
        if state is None:
            self._tell("state lost", f"the saved state of phase {self.key!r} is gone or changed; it begins anew")
        return state

    def _save(self, window: PhaseWindow, progress: int, state: Artefact) -> None:
        try:
            digest = self.artefacts.save_state(self.key, progress, state)
        except OutputError as error:
            # A full disk costs the chance to go on from here, and not the work itself.
            self._tell("state not saved", str(error))
            return
        window.save(progress, digest)
        self.artefacts.forget_states(self.key, besides=progress)

    def _tell(self, what: str, detail: str) -> None:
        incident = Incident(utc=utc(self.clock), time_s=self.clock.monotonic_s(), what=what, detail=detail)
        self.recorder.append(incident)


def _count(context: PhaseContext, window: PhaseWindow) -> None:
    window.steps, window.macs, window.images = context.tally.steps, context.tally.macs, context.images
