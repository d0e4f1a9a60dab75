"""Sub-networks taken out of a supernet beside the same architectures trained from scratch.

    python experiments/benchmarks/subnetworks.py                      three seeds, some twenty minutes on one core
    python experiments/benchmarks/subnetworks.py --seeds 1 --networks 4

Both schedules of a study train a supernet; random architectures of its space are scored on the test split, batch norm
recalibrated as the study says. Beside them the same architectures are trained from scratch, for as many epochs as the
teacher, with the optimiser, data and augmentation of the study. Not a comparison of costs: for that, record the study.
"""

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch

from carbon_nas.devices import SimulatedDevice
from carbon_nas.devices.profiler import settings
from carbon_nas.strategies import Artefacts, Bench, PhaseContext
from carbon_nas.strategies.plain import train_plain
from carbon_nas.strategies.stages import Stages, kept_supernet
from carbon_nas.study import Study, load_study
from carbon_nas.study.setting import scenarios_of, stages_of
from carbon_nas.supernet import Architecture, StaticMobileNetV3
from carbon_nas.supernet.static import channels_last, initialise
from carbon_nas.training import Tally, accuracy, load_workload, supernet_accuracy
from carbon_nas.training.memory import keep_freed_memory
from carbon_nas.training.recipe import TEACHER

SCHEDULES = ("once_for_all", "sandwich")
SCRATCH = "from scratch"


def bench_of(study: Study, folder: Path) -> Bench:
    workload = load_workload(study.workload)
    return Bench(
        space=study.space.space(in_channels=workload.in_channels, resolutions=study.resolutions),
        workload=workload,
        trainer=study.trainer,
        scenarios=scenarios_of(study, SimulatedDevice),
        constraints={},
        artefacts=Artefacts(folder),
        device=torch.device("cpu"),
    )


def taken(study: Study, bench: Bench, schedule: str, seed: int, archs: Sequence[Architecture]) -> list[float]:
    """Train a supernet, and return the test accuracies of its sub-networks."""
    images = study.once_for_all.calibration_images
    stages = Stages(bench, stages_of(study, schedule), calibration_images=images)
    for phase in stages.phases():
        context = PhaseContext(seed=seed, job=f"{schedule}/{phase.name}", log=lambda **_: None)
        bench.artefacts.save(phase.name, phase.run(context))
    net, workload = kept_supernet(bench, stages.last), bench.workload
    return [supernet_accuracy(net, arch, workload, split=workload.test, images=images, tally=Tally()) for arch in archs]


def from_scratch(study: Study, bench: Bench, seed: int, arch: Architecture) -> float:
    """Train one architecture alone, and return its test accuracy."""
    context = PhaseContext(seed=seed, job=f"{SCRATCH}/{arch.key}", log=lambda **_: None)
    net = StaticMobileNetV3(bench.space, arch, bench.workload.num_classes)
    initialise(net, context.generator)
    teacher = study.once_for_all.stages[TEACHER]
    train_plain(
        bench,
        arch,
        channels_last(net),
        epochs=teacher.epochs,
        learning_rate=teacher.learning_rate,
        subject=SCRATCH,
        context=context,
    )
    net.eval()
    macs = bench.macs(arch)
    return accuracy(net, bench.workload.test, resolution=arch.resolution, macs_per_image=macs, tally=Tally())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="digits", help="a built-in study or the path of a TOML file")
    parser.add_argument("--quick", action="store_true", help="the short recipe of the study")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=12, help="random architectures, the same for every seed")
    given = parser.parse_args(arguments)
    study = load_study(given.study, quick=given.quick)
    keep_freed_memory()
    with settings(study.threads):
        compare(study, seeds=given.seeds, networks=given.networks)


def compare(study: Study, *, seeds: int, networks: int) -> None:
    points: dict[str, list[float]] = {}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            bench, rng = bench_of(study, Path(folder)), random.Random(0)
            archs = [bench.space.sample(rng) for _ in range(networks)]
            found = {schedule: taken(study, bench, schedule, seed, archs) for schedule in SCHEDULES}
            found[SCRATCH] = [from_scratch(study, bench, seed, arch) for arch in archs]
        for way, fractions in found.items():
            points.setdefault(way, []).append(fmean(fractions))
            print(
                f"seed {seed}  {way:13} mean {fmean(fractions):.2%}  least {min(fractions):.2%}  "
                f"of {len(archs)} networks on {len(bench.workload.test)} test images",
                flush=True,
            )
    print()
    for schedule in SCHEDULES:
        gaps = [100 * (one - other) for one, other in zip(points[schedule], points[SCRATCH], strict=True)]
        shown = ", ".join(f"{gap:+.2f}" for gap in gaps)
        print(f"{schedule:13} less {SCRATCH}: {fmean(gaps):+.2f} points of accuracy on average ({shown} by seed)")


if __name__ == "__main__":
    main()
