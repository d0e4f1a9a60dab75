"""How much faster a training step is channels-last, which the trainer uses everywhere.

    python experiments/benchmarks/memory_format.py

Forward and backward of the largest, the smallest and a random sub-network of the small-image supernet, at batch 64.
Both formats take turns within one run, so that a machine whose speed drifts treats them alike; the ratio of medians is
what counts.
"""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from carbon_nas.supernet import Architecture, ElasticMobileNetV3, small_image_space

ROUNDS, STEPS, BATCH = 15, 4, 64


def step(net: ElasticMobileNetV3, x_BCHW: torch.Tensor, arch: Architecture) -> None:
    net.zero_grad(set_to_none=False)
    net(x_BCHW, arch).square().mean().backward()


def seconds(call: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    for _ in range(STEPS):
        call()
    return (time.perf_counter() - began_s) / STEPS


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    space = small_image_space()
    formats = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
    print(f"{'sub-network':<36}{'contiguous':>12}{'channels-last':>16}{'ratio':>8}")
    for arch in (space.max(), space.min(), space.sample(random.Random(0))):
        steps = {}
        for name, memory_format in formats.items():
            net = ElasticMobileNetV3(space, num_classes=10).to(memory_format=memory_format)
            x_BCHW = torch.randn(BATCH, 1, arch.resolution, arch.resolution).to(memory_format=memory_format)

            steps[name] = partial(step, net, x_BCHW, arch)
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(ROUNDS + 1):
            for name, call in steps.items():
                taken_s = seconds(call)
                if turn:  # The first turn warms up.
                    times[name].append(taken_s)
        plain, last = (1e3 * statistics.median(times[name]) for name in formats)
        print(f"{arch!s:<36}{plain:>9.2f} ms{last:>13.2f} ms{plain / last:>7.2f}x")


if __name__ == "__main__":
    main()
