"""Latency tables in the format of the OFA code: one file per resolution, one entry per layer, means in milliseconds.

There, `expand` is the number of channels in the middle of a block, and a network's latency is the plain sum of its
layers. The separable block behind the stem is a block like any other, of as many channels in the middle as at its
start. The head is four entries there and one here: it is written as one number under `Conv_1`, with the other three at
zero and a count of zero, because nobody has timed its parts; and it is read as the sum of the four.
Source: the OFA code, `latency_lookup_table.py` (class MBv3LatencyTable) and `tutorial/latency_table.py`.
"""

import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from carbon_nas.devices.latency_table import LatencyTable, layer_specs
from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.files import write_whole
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec
from carbon_nas.supernet.space import SearchSpace

__all__ = [
    "OFFICIAL_FORMATS",
    "OfficialFormat",
    "check_format",
    "official_keys",
    "official_resolutions",
    "read_official",
    "write_official",
]

OfficialFormat = Literal["json", "yaml"]
OFFICIAL_FORMATS: tuple[OfficialFormat, ...] = get_args(OfficialFormat)

_STEM = re.compile(r"Conv-input:(\d+)x\1x\d+-output:")
_TYPES = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


class _Entry(BaseModel):
    """One layer of a file. The count and the spread that stand beside the mean are not used here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mean_ms: float = Field(alias="mean", ge=0, allow_inf_nan=False)


_ENTRIES = TypeAdapter(dict[str, _Entry])


def official_keys(spec: LayerSpec) -> tuple[str, ...]:
    """Return the names of a layer in the official format: four for the head, one for any other."""

    def named(kind: str, before: tuple[int, int], after: tuple[int, int]) -> str:
        (size, channels), (out_size, out_channels) = before, after
        return f"{kind}-input:{size}x{size}x{channels}-output:{out_size}x{out_size}x{out_channels}"

    match spec:
        case StemSpec():
            return (named("Conv", (spec.size, spec.in_channels), (spec.out_size, spec.out_channels)),)
        case SeparableSpec():
            shapes = named("expanded_conv", (spec.size, spec.in_channels), (spec.size, spec.out_channels))
            return (f"{shapes}-expand:{spec.in_channels}-kernel:3-stride:1-idskip:{spec.residual:d}-se:0-hs:0",)
        case BlockSpec():
            shapes = named("expanded_conv", (spec.size, spec.in_channels), (spec.out_size, spec.out_channels))
            choices = f"expand:{spec.mid_channels}-kernel:{spec.kernel_size}-stride:{spec.stride}"
            flags = f"se:{spec.squeeze_channels is not None:d}-hs:{spec.activation == 'h_swish':d}"
            return (f"{shapes}-{choices}-idskip:{spec.residual:d}-{flags}",)
        case HeadSpec():
            wide, mixed = spec.expand_channels, spec.feature_channels
            return (
                named("Conv_1", (spec.size, spec.in_channels), (spec.size, wide)),
                named("AvgPool2D", (spec.size, wide), (1, wide)),
                named("Conv_2", (1, wide), (1, mixed)),
                f"Logits-input:1x1x{mixed}-output:{spec.num_classes}",
            )


def official_resolutions(place: Path) -> tuple[int, ...]:
    """Return the resolutions that a file or the files of a folder speak about, ascending.

    Raises:
        UsageError: if there are none, or one of them is no such file.
        MissingExtra: if one is in YAML, and pyyaml is not installed.
    """
    return tuple(sorted(_read(place)))


def read_official(
    place: Path, space: SearchSpace, num_classes: int, *, target: str = "official tables"
) -> LatencyTable:
    """Read the table of a space from a file, or from a folder with a file for each of its resolutions.

    A layer that stands in several files has the mean of them. Nothing is known about the machine, and nothing was
    checked: there is no fit, no anchor and no fingerprint.

    Raises:
        UsageError: if a file is none of these, or a resolution or a layer of the space is missing.
        MissingExtra: if one is in YAML, and pyyaml is not installed.
    """
    files = _read(place)
    absent = [size for size in space.resolutions if size not in files]
    if absent:
        raise UsageError(
            f"there is no table for {absent[0]} pixels, only for {', '.join(map(str, sorted(files)))}",
            where=str(place),
            cure="name the resolutions that are there: --resolutions",
        )
    found_ms: dict[str, list[float]] = {}
    for size in space.resolutions:
        specs = layer_specs(replace(space, resolutions=(size,)), num_classes)
        of_file = {key: _sum_ms(spec, files[size]) for key, spec in specs.items()}
        missing = [key for key, total_ms in of_file.items() if total_ms is None]
        if missing:
            raise UsageError(
                f"lacks {len(missing)} of {len(specs)} layers of {space.name} at {size} pixels; the first is "
                f"{official_keys(specs[missing[0]])[0]}",
                where=str(place),
                cure="name the space that it was made for: --space, --width, --channels, --classes",
            )
        for key, total_ms in of_file.items():
            found_ms.setdefault(key, []).append(total_ms or 0.0)
    return LatencyTable(
        target=target,
        entries_ms={key: statistics.fmean(values) for key, values in sorted(found_ms.items())},
        scale_ratio=1.0,
        offset_ms=0.0,
        anchor_ms=None,
        anchor_spread_ratio=None,
        error_fraction=None,
        rank_correlation_ratio=None,
        num_classes=num_classes,
        made="read from tables in the format of the OFA code",
        space=space.name,
    )


def write_official(
    folder: Path,
    table: LatencyTable,
    space: SearchSpace,
    *,
    format: OfficialFormat = "yaml",  # noqa: A002
) -> tuple[Path, ...]:
    """Write a table as one file per resolution, whose plain sums are what the table predicts.

    The table's scale is in every entry, its offset in the entry of the head, of which every network has one. What the
    head cannot take of an offset below zero is taken from the other layers that every network has.

    Raises:
        UsageError: if the table does not speak about the space, or its offset is further below zero than those layers
            are above it.
        MissingExtra: if YAML is asked for, and pyyaml is not installed.
        OutputError: if a file cannot be written.
    """
    check_format(format)
    table.check_space(space, table.num_classes)
    texts = {}
    for size in space.resolutions:
        entries: dict[str, dict[str, float]] = {}
        specs = layer_specs(replace(space, resolutions=(size,)), table.num_classes)
        for key, mean_ms in _means_ms(table, specs).items():
            first, *others = official_keys(specs[key])
            entries[first] = {"mean": mean_ms}
            entries |= {other: {"count": 0, "mean": 0.0} for other in others}
        texts[folder / f"{size}_lookup_table.{format}"] = _text(dict(sorted(entries.items())), format)
    for path, text in texts.items():
        write_whole(path, text.encode())
    return tuple(texts)


def check_format(format: OfficialFormat) -> None:  # noqa: A002
    """Make sure that files of a format can be written, before what is to be written is paid for.

    Raises:
        MissingExtra: if it is YAML, and pyyaml is not installed.
    """
    if format == "yaml":
        _yaml(otherwise="or ask for JSON: --format json")


def _means_ms(table: LatencyTable, specs: Mapping[str, LayerSpec]) -> dict[str, float]:
    """Return entries that add up to what the table predicts, none of them below zero."""
    means_ms = {key: table.scale_ratio * table.entries_ms[key] for key in specs}
    left_ms = table.offset_ms
    fixed = [key for key, spec in specs.items() if not isinstance(spec, BlockSpec)]
    for key in reversed(fixed):  # The head comes first.
        sum_ms = means_ms[key] + left_ms
        means_ms[key], left_ms = max(0.0, sum_ms), min(0.0, sum_ms)
    if left_ms < 0:
        raise UsageError(
            f"the offset of {table.offset_ms:.3g} ms takes away more than the layers that every network has take, and "
            "the official format knows no offset",
            where=f"table of {table.target}",
            cure="profile again with more --passes",
        )
    return means_ms


def _sum_ms(spec: LayerSpec, entries: Mapping[str, float]) -> float | None:
    parts_ms = [entries.get(key, entries.get(key.partition("-se:")[0])) for key in official_keys(spec)]
    known_ms = [part_ms for part_ms in parts_ms if part_ms is not None]
    return sum(known_ms) if len(known_ms) == len(parts_ms) else None


def _read(place: Path) -> dict[int, dict[str, float]]:
    """Read means by layer, by resolution."""
    paths = sorted(path for path in place.iterdir() if path.suffix in _TYPES) if place.is_dir() else [place]
    if not paths:
        raise UsageError("there is no table in this folder, neither .yaml nor .json", where=str(place))
    found: dict[int, dict[str, float]] = {}
    for path in paths:
        entries = _entries(path)
        sizes = {int(stem[1]) for stem in map(_STEM.match, entries) if stem}
        if len(sizes) != 1:
            what = "no entry Conv-input:..." if not sizes else f"entries for {len(sizes)} sizes of image"
            raise UsageError(f"this table has {what}: it must be of one resolution", where=str(path))
        size = sizes.pop()
        if size in found:
            raise UsageError(f"there is more than one table for {size} pixels", where=str(path))
        found[size] = entries
    return found


def _entries(path: Path) -> dict[str, float]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"this table cannot be read as text ({error})", where=str(path)) from error
    try:
        data = json.loads(text) if _TYPES.get(path.suffix) == "json" else _yaml_value(text)
        entries = _ENTRIES.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"this is no table in the official format ({'.'.join(map(str, first['loc']))}: {first['msg']})",
            where=str(path),
            cure="each layer needs a mean in milliseconds, 0 or more",
        ) from error
    except ValueError as error:
        raise UsageError(f"this is neither YAML nor JSON ({error})", where=str(path)) from error
    return {key: entry.mean_ms for key, entry in entries.items()}


def _yaml(*, otherwise: str | None = None) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtra.of("pyyaml", needed_by="tables in YAML", otherwise=otherwise) from error
    return yaml


def _yaml_value(text: str) -> object:
    yaml = _yaml()
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def _text(entries: Mapping[str, Mapping[str, float]], format: OfficialFormat) -> str:  # noqa: A002
    if format == "json":
        return json.dumps(entries, indent=1) + "\n"
    text: str = _yaml().safe_dump(entries, sort_keys=True)
    return text
