"""What nesting 10^19 networks in one costs: the supernet's step beside that of the same architecture alone.

    python experiments/benchmarks/supernet.py                          # some minutes on two cores
    python experiments/benchmarks/supernet.py --only step --rounds 3
    python experiments/benchmarks/supernet.py --device cuda            # eager float32, bfloat16, compiled

step           forward, backward and optimiser of the supernet, of the same architecture as a static network, and of
               that with PyTorch's own 1x1 and depthwise convolutions; five random architectures of the official space,
               and the largest; channels-last; compiled means for each architecture anew, compiling not counted
format         the largest network's step, contiguous and channels-last
recalibration  batch norm statistics of 2,000 images, beside plain forward passes of as many
extraction     a static network taken out of the supernet

What is compared takes turns within one run, so that a machine whose speed drifts treats all alike. A ratio is the
median over the turns of the ratio within a turn.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.supernet import (
    Architecture,
    BatchNormStatistics,
    ElasticMobileNetV3,
    SubNetwork,
    extract,
    mobilenet_v3_space,
    recalibrate,
    small_image_space,
)
from carbon_nas.supernet.depthwise import DepthwiseConv2d
from carbon_nas.supernet.pointwise import PointwiseConv2d
from carbon_nas.supernet.static import channels_last
from carbon_nas.training import TrainerPlan
from carbon_nas.training.loop import optimiser_of
from carbon_nas.training.memory import keep_freed_memory

CLASSES = 1_000
BATCHES = {32: 64, 96: 16, 160: 8, 224: 4}
"""Images a step, by resolution in pixels."""
SPACE = mobilenet_v3_space(resolutions=tuple(BATCHES))
SEEDS = range(5)
CALIBRATION_IMAGES, CALIBRATION_BATCH = 2_000, 200

BACKEND, COMPILE = "inductor", False
"""What compiles, and whether to compile on CPUs, too; for tests."""

Call = Callable[[], object]


def taken(calls: Mapping[str, Call], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Time the calls in turn, and return seconds by name. The first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            began_s = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn:
                seconds[name].append(time.perf_counter() - began_s)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))


def ms(seconds: Mapping[str, Sequence[float]], name: str) -> str:
    return f"{1e3 * statistics.median(seconds[name]):.1f} ms"


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def stepper(net: nn.Module, accumulate: Callable[[], None], plan: TrainerPlan) -> Call:
    """Return a whole step of the trainer: gradients to zero, forward, backward, optimiser."""
    optimiser = optimiser_of(net.named_parameters(), plan, learning_rate=1e-3)

    def step() -> None:
        optimiser.zero_grad(set_to_none=False)
        accumulate()
        optimiser.step()

    return step


def loss(predict: Callable[[Tensor], Tensor], x: Tensor, plan: TrainerPlan) -> Tensor:
    with plan.autocast(x.device):
        return F.cross_entropy(predict(x), torch.arange(len(x), device=x.device))


def static_step(net: nn.Module, x: Tensor, plan: TrainerPlan, *, compiled: bool = False) -> Call:
    predict = torch.compile(net, dynamic=False, backend=BACKEND) if compiled else net
    return stepper(net, lambda: loss(predict, x, plan).backward(), plan)


def supernet_step(
    net: ElasticMobileNetV3, arch: Architecture, x: Tensor, plan: TrainerPlan, *, compiled: bool = False
) -> Call:
    """Return the supernet's step as the trainer does it; compiled for this one architecture, as no trainer could."""
    kept = SubNetwork(net, arch)
    predict = torch.compile(kept.__call__, dynamic=False, backend=BACKEND) if compiled else None

    def accumulate() -> None:
        subnetwork = kept if compiled else SubNetwork(net, arch)
        loss(predict or subnetwork, x, plan).backward()
        subnetwork.add_gradients()

    return stepper(net, accumulate, plan)


def with_plain_convolutions(net: nn.Module) -> nn.Module:
    """Put PyTorch's own convolution in the place of every 1x1 and depthwise one."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, DepthwiseConv2d | PointwiseConv2d):
                plain = nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    child.stride,
                    child.padding,
                    groups=child.groups,
                    bias=child.bias is not None,
                )
                setattr(parent, name, plain)
    return net


def images(resolution: int, count: int, device: torch.device) -> Tensor:
    x = torch.randn(count, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))
    return x.to(device).contiguous(memory_format=torch.channels_last)


def architectures(resolution: int) -> Iterator[tuple[str, Architecture]]:
    for seed in SEEDS:
        yield f"random {seed}", SPACE.sample(random.Random(seed)).at(resolution)
    yield "largest", SPACE.max().at(resolution)


def supernet(device: torch.device) -> ElasticMobileNetV3:
    return channels_last(ElasticMobileNetV3(SPACE, CLASSES).to(device))


def step(rounds: int, device: torch.device) -> None:
    modes = {"float32": (TrainerPlan(precision="float32"), False)}
    if device.type == "cuda" or COMPILE:
        lower = TrainerPlan(precision="bfloat16")
        modes |= {"bfloat16": (lower, False), "bfloat16, compiled": (lower, True)}
    for mode, (plan, compiled) in modes.items():
        print(f"\nstep, {mode}: supernet / static, channels-last")
        print(f"{'px':>4}{'images':>8}  {'architecture':<12}{'supernet':>12}{'static':>12}{'ratio':>8}", end="")
        print(f"{'plain':>12}{'plain / static':>16}")
        net = supernet(device)
        for resolution, batch in BATCHES.items():
            x = images(resolution, batch, device)
            ratios, gains = [], []
            for name, arch in architectures(resolution):
                # Compiled code is kept for eight shapes; a ninth would run uncompiled, and only a log would say so.
                torch.compiler.reset()
                static, plain = (channels_last(extract(net, arch)).train() for _ in range(2))
                plain = channels_last(with_plain_convolutions(plain).to(device))
                calls = {
                    "supernet": supernet_step(net, arch, x, plan, compiled=compiled),
                    "static": static_step(static, x, plan, compiled=compiled),
                    "plain": static_step(plain, x, plan, compiled=compiled),
                }
                seconds = taken(calls, rounds, device)
                ratios.append(ratio(seconds, "supernet", "static"))
                gains.append(ratio(seconds, "plain", "static"))
                shown = f"{ms(seconds, 'supernet'):>12}{ms(seconds, 'static'):>12}{ratios[-1]:>8.3f}"
                print(f"{resolution:>4}{batch:>8}  {name:<12}{shown}{ms(seconds, 'plain'):>12}{gains[-1]:>15.2f}x")
            print(f"{resolution:>4}{'':>8}  {'geometric mean':<36}{geometric_mean(ratios):>8.3f}", end="")
            print(f"{'':>12}{geometric_mean(gains):>15.2f}x", flush=True)


def memory_format(rounds: int, device: torch.device) -> None:
    print("\nformat: the largest network's step, contiguous and channels-last")
    resolution, plan = min(BATCHES), TrainerPlan(precision="float32")
    small = small_image_space(in_channels=3)
    for space, size, batch in ((SPACE, resolution, BATCHES[resolution]), (small, small.resolutions[-1], 64)):
        calls = {}
        for name, chosen in (("contiguous", torch.contiguous_format), ("channels-last", torch.channels_last)):
            net = ElasticMobileNetV3(space, CLASSES).to(device).to(memory_format=chosen)
            x = images(size, batch, device).contiguous(memory_format=chosen)
            calls[name] = supernet_step(net, space.max().at(size), x, plan)
        seconds = taken(calls, rounds, device)
        shown = f"{ms(seconds, 'contiguous'):>12}{ms(seconds, 'channels-last'):>12}"
        print(f"{size:>4}{batch:>8}  {space.name:<20}{shown}{ratio(seconds, 'contiguous', 'channels-last'):>8.2f}x")


def passes(
    net: ElasticMobileNetV3, arch: Architecture, batches: Sequence[Tensor], known: BatchNormStatistics | None
) -> Call:
    @torch.no_grad()
    def run() -> None:
        for batch in batches:
            net(batch, arch, known)

    return run


def recalibration(rounds: int, device: torch.device, chosen: Sequence[int] | None = None) -> None:
    chosen = chosen or tuple(BATCHES)
    print(
        f"\nrecalibration on {CALIBRATION_IMAGES:,} images in batches of {CALIBRATION_BATCH}, over plain forward passes"
    )
    print("with the statistics of each batch, which it needs, and with statistics that are known, as in evaluation")
    print(f"{'px':>4}  {'architecture':<12}{'recalibrate':>14}{'by batch':>12}{'ratio':>8}{'known':>12}{'ratio':>8}")
    net = supernet(device)
    for resolution in chosen:
        batches = [images(resolution, CALIBRATION_BATCH, device)] * (CALIBRATION_IMAGES // CALIBRATION_BATCH)
        some = {"random 0": SPACE.sample(random.Random(0)).at(resolution), "largest": SPACE.max().at(resolution)}
        for name, arch in some.items():
            known = recalibrate(net, arch, resolution, batches[:1])
            calls = {
                "recalibrate": partial(recalibrate, net, arch, resolution, batches),
                "by batch": passes(net, arch, batches, None),
                "known": passes(net, arch, batches, known),
            }
            # Half a minute each at the larger resolutions.
            seconds = taken(calls, rounds if resolution < 100 else max(1, rounds // 4), device)
            shown = [f"{ms(seconds, 'recalibrate'):>14}"]
            for other in ("by batch", "known"):
                shown.append(f"{ms(seconds, other):>12}{ratio(seconds, 'recalibrate', other):>8.3f}")
            print(f"{resolution:>4}  {name:<12}{''.join(shown)}", flush=True)


def extraction(rounds: int, device: torch.device) -> None:
    net = supernet(device)
    print("\nextraction of a static network")
    for name, arch in architectures(max(BATCHES)):
        seconds = taken({"extract": partial(extract, net, arch)}, rounds, device)
        print(f"{name:<10}{ms(seconds, 'extract'):>12}")


SECTIONS = {"step": step, "format": memory_format, "recalibration": recalibration, "extraction": extraction}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one section; may be given several times")
    parser.add_argument("--rounds", type=int, default=9, help="turns that count, after one that warms up (default: 9)")
    parser.add_argument("--px", type=int, nargs="+", help="the resolutions of recalibration (default: all)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--give-back", action="store_true", help="leave freed memory to the system, as by default")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    torch.set_flush_denormal(True)
    if not chosen.give_back:
        keep_freed_memory()
    device = torch.device(chosen.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {chosen.threads} threads"
    print(f"torch {torch.__version__}, {name}; {SPACE.name}, {CLASSES:,} classes, {chosen.rounds} rounds")
    for section in chosen.only or SECTIONS:
        more = {"chosen": chosen.px} if section == "recalibration" else {}
        SECTIONS[section](chosen.rounds, device, **more)


if __name__ == "__main__":
    main()
