"""What tests of images share: pictures made on the spot, and ways to compare them."""

import math
from pathlib import Path

import torch
from PIL import Image

from carbon_nas.training import Workload
from carbon_nas.training.data import Images


def parts(workload: Workload) -> dict[str, Images]:
    return {"train": workload.train, "validation": workload.validation, "test": workload.test}


def everything(images: Images) -> tuple[torch.Tensor, torch.Tensor]:
    return images.take(torch.arange(len(images)))


def same_images(one: Images, other: Images) -> bool:
    (x, y), (u, v) = everything(one), everything(other)
    return torch.equal(x, u) and torch.equal(y, v)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def draw(path: Path, *, size: tuple[int, int] = (9, 7), seed: int = 0, mode: str = "RGB") -> Path:
    """Write a picture of noise; size is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.frombytes("RGB", size, noise(3 * math.prod(size), seed=seed).numpy().tobytes()).convert(mode).save(path)
    return path


def draw_classes(root: Path, counts: dict[str, int], *, ending: str = "png", seed: int = 0) -> Path:
    """Write so many different pictures into a folder for each class."""
    for place, (name, count) in enumerate(counts.items()):
        for number in range(count):
            draw(root / name / f"{number:03}.{ending}", seed=seed + 1_000 * place + number)
    return root
