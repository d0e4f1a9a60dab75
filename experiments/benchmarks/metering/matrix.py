"""The fault matrix: every scenario with every tool, and one verdict for each.

A row is passed if the joules are right within 5 %, or if the result itself says that they are not and its bounds hold
the truth. A line in a log does not make a number right. A number that can be known has to be given.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from experiments.benchmarks.metering.processes import TOOL_NAMES, Bench, Outcome
from experiments.benchmarks.metering.scenarios import GPU_W, MATRIX, Scenario
from experiments.benchmarks.metering.tables import Cell, Table
from experiments.benchmarks.metering.tools import on_disk_j

__all__ = ["LIMIT", "Verdict", "fault_matrix", "judge", "judge_span"]

LIMIT = 0.05
_FLUSH_S = 1.0
_FORKS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a row is passed, and the figures behind that in one line. `passed` is None if it was not run."""

    passed: bool | None
    why: str

    @property
    def word(self) -> str:
        """Say it in a word."""
        return {True: "pass", False: "FAIL", None: "not run"}[self.passed]


def judge_span(span: dict[str, Any], *, knowable: bool = True) -> Verdict:
    """Compare one claim with the truth."""
    low_j, high_j, claim = span["true_low_j"], span["true_high_j"], span["claim"]
    true = f"{(low_j + high_j) / 2:.0f} J"
    if claim is None or claim["energy_j"] is None:
        said = "no result" if claim is None else ", ".join(claim["flags"])
        return Verdict(passed=not knowable, why=f"{said}; true {true}")
    energy_j = claim["energy_j"]
    figures = f"{energy_j:.0f} of {true}"
    if low_j * (1 - LIMIT) <= energy_j <= high_j * (1 + LIMIT):
        return Verdict(passed=True, why=figures + _bracketed(claim["flags"]))
    if claim["flags"]:
        width_j = 2 * (claim["u_j"] or 0.0)
        least_j = (energy_j if claim["low_j"] is None else claim["low_j"]) - width_j
        most_j = float("inf") if claim["high_j"] is None else claim["high_j"] + width_j
        bounds = f"in [{least_j:.0f}, {most_j:.0f}]"
        return Verdict(
            passed=least_j <= high_j and low_j <= most_j, why=f"{figures} {bounds}{_bracketed(claim['flags'])}"
        )
    return Verdict(passed=False, why=f"{figures} ({energy_j / ((low_j + high_j) / 2) - 1:+.0%})")


def _bracketed(flags: Sequence[str]) -> str:
    return f" ({', '.join(flags)})" if flags else ""


def _all_spans(spans: list[dict[str, Any]], knowable: bool) -> Verdict:
    verdicts = [judge_span(span, knowable=knowable) for span in spans]
    bad = [f"{span['name']}: {one.why}" for span, one in zip(spans, verdicts, strict=True) if not one.passed]
    if bad:
        return Verdict(passed=False, why=f"{len(bad)} of {len(spans)} wrong; {bad[0]}")
    return Verdict(passed=bool(verdicts), why=verdicts[-1].why if verdicts else "no result")


def _window(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:  # noqa: ARG001
    return _all_spans(outcome.answer["spans"], scenario.knowable)


def _clocks(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    verdict = _window(scenario, outcome, tool)
    span = outcome.answer["spans"][0]
    claimed_s = (span["claim"] or {}).get("duration_s")
    # Whether a sleep belongs to a duration is a matter of definition; a duration that was never there is not.
    slept_s = sum(step["boot_s"] for step in scenario.clock_steps)
    fits = claimed_s is not None and any(
        abs(claimed_s - span["true_s"] - extra_s) <= LIMIT * span["true_s"] for extra_s in (0.0, slept_s)
    )
    took = "no duration" if claimed_s is None else f"{claimed_s:.1f} s of {span['true_s']:.1f} s"
    told = [said for said in outcome.answer["said"] if said.startswith(("suspended", "clock"))]
    return Verdict(
        passed=bool(verdict.passed) and fits,
        why=f"{took}; {verdict.why}" + ("; recorded" if told else "; not recorded"),
    )


def _dies(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:  # noqa: ARG001
    if outcome.began_s is None:
        return Verdict(passed=False, why=outcome.error)
    true_j = GPU_W * (outcome.died_s - outcome.began_s)
    kept_j = on_disk_j(tool, outcome.folder)
    if kept_j is None:
        return Verdict(passed=False, why=f"nothing on disk of {true_j:.0f} J")
    least_j = GPU_W * (outcome.died_s - outcome.began_s - _FLUSH_S)
    fits = least_j * (1 - LIMIT) <= kept_j <= true_j * (1 + LIMIT)
    return Verdict(passed=fits, why=f"{kept_j:.0f} of {true_j:.0f} J on disk")


def _short(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:  # noqa: ARG001
    spans = outcome.answer["spans"]
    good = sum(bool(judge_span(span).passed) for span in spans)
    claimed_j = sum((span["claim"] or {}).get("energy_j") or 0.0 for span in spans)
    true_j = sum((span["true_low_j"] + span["true_high_j"]) / 2 for span in spans)
    return Verdict(
        passed=good >= 0.95 * len(spans),
        why=f"{good} of {len(spans)} right or flagged; sum {claimed_j:.0f} of {true_j:.0f} J",
    )


def _threads(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    answer = outcome.answer
    if answer["errors"]:
        return Verdict(passed=False, why=answer["errors"][0])
    said = [(span["claim"] or {}).get("energy_j") for span in answer["spans"]]
    claims = [float(energy_j) for energy_j in said if energy_j is not None]
    if len(claims) < 2:
        return Verdict(passed=False, why=f"{2 - len(claims)} of 2 threads without a result")
    # Two right answers: each thread sees the whole device, or they share it and nothing is counted twice.
    shared = abs(sum(claims) / answer["all_j"] - 1) <= LIMIT
    if shared:
        return Verdict(passed=True, why=f"{claims[0]:.0f} + {claims[1]:.0f} J shared of {answer['all_j']:.0f} J")
    return _window(scenario, outcome, tool)


def _forks(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    verdict = _window(scenario, outcome, tool)
    codes, rows = outcome.answer["codes"], outcome.answer["rows"]
    hung = sum(code != 0 for code in codes)
    return Verdict(
        passed=bool(verdict.passed) and not hung and rows == 1 and len(codes) == _FORKS,
        why=f"{hung} of {len(codes)} children hung or failed, {rows} rows for 1 run; {verdict.why}",
    )


def _full(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    if outcome.answer["raised"]:
        return Verdict(passed=False, why=f"into the training: {outcome.answer['raised']}")
    return _window(scenario, outcome, tool)


def _twice(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    verdict = _window(scenario, outcome, tool)
    told = [said for said in outcome.answer["said"] if said.startswith("contested")]
    if told:
        return Verdict(passed=bool(verdict.passed), why=f"both say so; {verdict.why}")
    return Verdict(passed=False, why=f"each claims the whole GPU, neither says so; {verdict.why}")


_JUDGES: dict[str, Callable[[Scenario, Outcome, str], Verdict]] = {
    "dies": _dies,
    "forks": _forks,
    "full": _full,
    "short": _short,
    "threads": _threads,
    "twice": _twice,
}


def judge(scenario: Scenario, outcome: Outcome, tool: str) -> Verdict:
    """Judge one run."""
    if scenario.action != "dies":
        if not outcome.answer:
            return Verdict(passed=False, why=f"died: {outcome.error}")
        if outcome.answer["raised"] and scenario.action != "full":
            return Verdict(passed=False, why=f"raised {outcome.answer['raised']}")
    return (_clocks if scenario.clock_steps else _JUDGES.get(scenario.action, _window))(scenario, outcome, tool)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ran:
    """A verdict, what the tool wrote into its log meanwhile, and its version."""

    verdict: Verdict
    warned: frozenset[str] = frozenset()
    version: str = ""


def _run(bench: Bench, scenario: Scenario, tool: str) -> _Ran:
    if tool in bench.missing:
        return _Ran(verdict=Verdict(passed=None, why=bench.missing[tool]))
    if scenario.action == "twice":
        meeting = bench.root / f"meeting-{tool}"
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(lambda _: bench.run(tool, scenario, meeting), range(2)))
    else:
        outcomes = [bench.run(tool, scenario)]
    verdicts = [judge(scenario, outcome, tool) for outcome in outcomes]
    warned = frozenset(line for outcome in outcomes for line in outcome.answer.get("warned", ()))
    return _Ran(
        verdict=next((one for one in verdicts if not one.passed), verdicts[0]),
        warned=warned,
        version=outcomes[0].answer.get("version", ""),
    )


def fault_matrix(bench: Bench, scenarios: Sequence[Scenario] = MATRIX, *, at_once: int = 6) -> tuple[Table, Table]:
    """Run every scenario with every tool.

    Args:
        bench: the tools.
        scenarios: the rows; the first one is the one without a fault.
        at_once: how many run side by side; they mostly sleep.

    Returns:
        The verdicts, and the figures behind them.
    """
    pairs = list(itertools.product(scenarios, TOOL_NAMES))
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda pair: _run(bench, *pair), pairs))
    ran = {(scenario.name, tool): one for (scenario, tool), one in zip(pairs, found, strict=True)}
    verdicts: dict[tuple[str, str], Verdict] = {}
    for (name, tool), one in ran.items():
        # What it says in every run is no warning about this one.
        special = one.warned - ran[scenarios[0].name, tool].warned
        told = "; warned in its log" if special and one.verdict.passed is False else ""
        verdicts[name, tool] = Verdict(passed=one.verdict.passed, why=one.verdict.why + told)
    names = [scenario.name for scenario in scenarios]
    versions = ", ".join(filter(None, (ran[names[0], tool].version for tool in TOOL_NAMES)))
    return _scores(names, verdicts, versions), _figures(names, verdicts)


def _scores(names: Sequence[str], verdicts: dict[tuple[str, str], Verdict], versions: str) -> Table:
    rows: list[tuple[Cell, ...]] = [(name, *(verdicts[name, tool].word for tool in TOOL_NAMES)) for name in names]
    totals = [[verdicts[name, tool].passed for name in names] for tool in TOOL_NAMES]
    rows.append(("passed", *(f"{total.count(True)} of {len(total) - total.count(None)}" for total in totals)))
    return Table(
        title="Fault matrix: right within 5 %, or honestly flagged",
        columns=("what happens", *TOOL_NAMES),
        rows=tuple(rows),
        notes=(
            versions,
            "One simulated pynvml and powercap tree for all, each run in a process of its own, in real time.",
            "A row that is not run counts for nobody. A warning in a log is no flag in the result.",
        ),
    )


def _figures(names: Sequence[str], verdicts: dict[tuple[str, str], Verdict]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, tool in itertools.product(names, TOOL_NAMES):
        verdict = verdicts[name, tool]
        rows.append((name, tool, verdict.word, verdict.why))
    return Table(title="Fault matrix: the figures", columns=("what happens", "tool", "", "why"), rows=tuple(rows))
