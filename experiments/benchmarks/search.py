"""How fast a search proposes and scores, and how near it comes to trying everything.

    python experiments/benchmarks/search.py [--rounds 100] [--threads 2]

Fast: on the official MobileNetV3 space, with a predictor of the official size and a latency table whose entries are
made up in proportion to MACs; neither weights nor entries change what a prediction costs. Each step is timed alone and
together, beside the same done one architecture at a time and beside a whole search with the defaults. In a batch every
proposal is scored; a search scores only what is new and within the limit, a generation of some dozens at a time, so
that both what it scores and what it proposes are told. Times are wall time of the fastest round, since others that use
the machine only ever make a round slower; beside it stands the CPU time of all threads, of the round that needed least.

Near: on a space that is small enough to score every architecture, with a made-up accuracy that has a random part for
every two choices that meet, a search is compared with the best of all that meet the same limit.
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import layer_specs
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.predictor import AccuracyPredictor
from carbon_nas.strategies.search import Ranking, SearchPlan, evolve
from carbon_nas.supernet import SearchSpace, mobilenet_v3_space, small_image_space
from carbon_nas.supernet.cost import layer_cost
from carbon_nas.supernet.population import Population

SPACE = mobilenet_v3_space()
SMALL = replace(
    small_image_space(resolutions=(6, 8, 10, 12)),
    stages=small_image_space().stages[:2],
    expand_ratios=(2, 4),
    depths=(1, 2, 3),
)
BATCH, ONE_BY_ONE, HIDDEN, LAYERS = 1_024, 64, 400, 3
# What is asked of a batch, a second, on two cores.
LEAST_PER_SECOND = 50_000
SEARCHES = 3
PLAN = SearchPlan()
SCAN_PLAN = SearchPlan(population=100, generations=20)
SEEDS, LIMIT_FRACTIONS = range(5), (0.1, 0.3, 0.5, 0.8)
MS_PER_MEGA_MAC = 0.1


def made_up_table(space: SearchSpace, num_classes: int = 1_000) -> LatencyTable:
    """Return a table whose entries are proportional to MACs."""
    entries = {
        key: MS_PER_MEGA_MAC * layer_cost(spec).macs / 1e6 for key, spec in layer_specs(space, num_classes).items()
    }
    return LatencyTable(
        target="made up", entries_ms=entries, scale_ratio=1.0, offset_ms=0.0, anchor_ms=1.0, anchor_spread_ratio=1.0,
        error_fraction=None, rank_correlation_ratio=None, num_classes=num_classes,
    )  # fmt: skip


def made_up_predictor(space: SearchSpace, seed: int = 0) -> AccuracyPredictor:
    """Return a predictor of the official size with random weights."""
    generator = torch.Generator().manual_seed(seed)
    features = Population.of(space, ()).features().shape[1]
    sizes = [features, *[HIDDEN] * LAYERS]
    weights = []
    for inputs, outputs in itertools.pairwise(sizes):
        weights.append(torch.randn(outputs, inputs, generator=generator) * (2 / inputs) ** 0.5)
        weights.append(torch.zeros(outputs))
    weights.append(torch.randn(1, HIDDEN, generator=generator) * 1e-3)
    return AccuracyPredictor(space, torch.zeros(features), weights, 0.75)


def made_up_accuracy(
    space: SearchSpace, seed: int, *, interplay_ratio: float = 0.1
) -> Callable[[Population], NDArray[np.float64]]:
    """Return an accuracy of 0.90 and some points: every choice counts, and every two choices that meet."""
    rng = np.random.default_rng(seed)
    features = Population.of(space, ()).features().shape[1]
    alone, pairs = rng.uniform(0, 1, features), rng.normal(0, interplay_ratio, (features, features))

    def score(population: Population) -> NDArray[np.float64]:
        chosen = population.features().astype(np.float64)
        worth = chosen @ alone + ((chosen @ pairs) * chosen).sum(axis=1)
        return np.asarray(0.9 + 0.02 * np.tanh(worth / np.sqrt(features)), dtype=np.float64)

    return score


def everything(space: SearchSpace) -> Population:
    """Return every architecture of a small space."""
    per_stage = []
    per_block = list(itertools.product(space.kernel_sizes, space.expand_ratios))
    for depth in space.depths:
        idle = ((space.kernel_sizes[0], space.expand_ratios[0]),) * (space.depths[-1] - depth)
        per_stage += [(depth, blocks + idle) for blocks in itertools.product(per_block, repeat=depth)]
    return Population.of(
        space,
        (
            space.architecture(
                ks=[kernel for _, blocks in stages for kernel, _ in blocks],
                e=[ratio for _, blocks in stages for _, ratio in blocks],
                d=[depth for depth, _ in stages],
                resolution=resolution,
            )
            for stages in itertools.product(per_stage, repeat=len(space.stages))
            for resolution in space.resolutions
        ),
    )


def times_s(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the least wall time and the least CPU time that some work takes."""
    work()
    wall, cpu = [], []
    for _ in range(rounds):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began_s)
        cpu.append(time.process_time() - began_cpu_s)
    return min(wall), min(cpu)


def speed(rounds: int) -> None:
    """Time every step, all of them together, the same one by one, and a whole search."""
    rng, chance = np.random.default_rng(0), random.Random(0)
    table, predictor = made_up_table(SPACE), made_up_predictor(SPACE)
    latency = AdditiveLatency.of(table, SPACE)
    one, other = (Population.sampled(SPACE, BATCH // 2, rng) for _ in range(2))
    both, archs = one + other, list(one.take(slice(ONE_BY_ONE)))

    def proposed() -> Population:
        return one.mutated(0.1, rng, resolution_probability_fraction=0.5) + one.crossed(other, rng)

    def at_once() -> object:
        children = proposed()
        return children.keys(), latency.predict_ms(children), predictor.score(children)

    def one_by_one() -> None:
        for number, arch in enumerate(archs):
            child = SPACE.crossover(arch, archs[number - 1], chance) if number % 2 else SPACE.mutate(arch, chance, 0.1)
            table.predict_ms(SPACE, child)
            predictor.score(Population.of(SPACE, [child]))

    print(f"{SPACE.name}, {BATCH:,} at once, half mutants and half crossovers, predictor of {predictor.macs:,} MACs")
    for name, work in (
        ("mutation and crossover", proposed),
        ("keys", both.keys),
        ("latency by the table", lambda: latency.predict_ms(both)),
        ("features", both.features),
        ("predictor, features included", lambda: predictor.score(both)),
    ):
        print(f"  {name:<30}{1e6 * times_s(work, rounds)[0] / BATCH:8.2f} us an architecture")
    sample_ms = latency.predict_ms(Population.sampled(SPACE, 1_000, rng))
    constraint = Constraint(table=table, limit_ms=float(np.median(sample_ms)))

    def searched() -> Ranking:
        return evolve(SPACE, constraint, predictor.score, PLAN, random.Random(0))

    whole = searched()
    rows = (
        ("in a batch", BATCH, times_s(at_once, rounds)),
        ("one by one", len(archs), times_s(one_by_one, max(1, rounds // 4))),
        ("in a whole search", whole.scored, times_s(searched, SEARCHES)),
    )
    print(f"{'proposed and scored':<22}{'a second':>14}{'a second of CPU time':>24}")
    for name, count, (wall_s, cpu_s) in rows:
        asked = f"   at least {LEAST_PER_SECOND:,} are asked for" if name == "in a batch" else ""
        print(f"  {name:<20}{count / wall_s:14,.0f}{count / cpu_s:24,.0f}{asked}")
    taken_s = rows[-1][2][0]
    print(f"a whole search, population {PLAN.population}, {PLAN.generations} generations, ends in {taken_s:.2f} s:")
    print(f"  {whole.scored:,} distinct architectures within the limit are scored, of {whole.proposed:,} proposed,")
    print(f"  {whole.proposed / taken_s:,.0f} proposed a second, one in {whole.proposed / whole.scored:.1f} is scored")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """How far a search stays behind the best that there is under the same limit."""

    limit_ms: float
    seed: int
    within: int
    scored: int
    gap_fraction: float


def gaps(space: SearchSpace, plan: SearchPlan) -> tuple[int, list[Gap]]:
    """Compare searches with a scan of a whole space, for several limits and seeds."""
    table, whole = made_up_table(space, num_classes=10), everything(space)
    predicted_ms = AdditiveLatency.of(table, space).predict_ms(whole)
    found = []
    for seed in SEEDS:
        score = made_up_accuracy(space, seed)
        accuracy = score(whole)
        for fraction in LIMIT_FRACTIONS:
            limit_ms = float(np.quantile(predicted_ms, fraction, method="inverted_cdf"))
            within = predicted_ms <= limit_ms
            ranking = evolve(space, Constraint(table=table, limit_ms=limit_ms), score, plan, random.Random(seed))
            best = ranking.best.accuracy_fraction
            gap = float(accuracy[within].max()) - (0.0 if best is None else best)
            found.append(
                Gap(limit_ms=limit_ms, seed=seed, within=int(within.sum()), scored=ranking.scored, gap_fraction=gap)
            )
    return len(whole), found


def nearness() -> None:
    """Print how near searches come to scans."""
    size, found = gaps(SMALL, SCAN_PLAN)
    print(f"{size:,} architectures in all, {len(SEEDS)} seeds: points of accuracy behind the best of all")
    print("  limit, ms   within it   scored, most   gap, most   gap, mean")
    for limit_ms in sorted({one.limit_ms for one in found}):
        here = [one for one in found if one.limit_ms == limit_ms]
        gap = [100 * one.gap_fraction for one in here]
        most = max(one.scored for one in here)
        print(f"  {limit_ms:9.4f}{here[0].within:12,}{most:15,}{max(gap):12.4f}{statistics.mean(gap):12.4f}")


def main(arguments: list[str] | None = None) -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description="How fast a search is, and how near it comes to trying everything.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, torch {torch.__version__}, numpy {np.__version__}")
    speed(given.rounds)
    nearness()


if __name__ == "__main__":
    main()
