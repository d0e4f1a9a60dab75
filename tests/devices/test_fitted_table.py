"""Tables fitted to networks that somebody else measured. The device here is known, so what is found can be judged."""

import csv
import json
import math
import random
import statistics
from dataclasses import replace

import pytest

from carbon_nas.devices.fitted_table import MeasuredPair, fewest_pairs, fit_pairs, read_pairs
from carbon_nas.devices.latency_table import layer_specs, layers
from carbon_nas.devices.validation import rank_correlation
from carbon_nas.errors import UsageError
from carbon_nas.supernet import mobilenet_v3_space
from carbon_nas.supernet.cost import layer_cost
from tests.supernet.spaces import SMALL, TINY, drawn

OFFICIAL = mobilenet_v3_space(resolutions=(128, 176, 224))


class Additive:
    """A device whose layers take between half and twice what their MACs would let one expect."""

    def __init__(self, space, num_classes, *, seed=0):
        rng = random.Random(seed)
        self._space, self._num_classes = space, num_classes
        macs = {key: layer_cost(spec).macs for key, spec in layer_specs(space, num_classes).items()}
        typical = statistics.mean(macs.values())
        self.entries_ms = {key: (0.3 + one / typical) * rng.uniform(0.5, 2) for key, one in macs.items()}

    def latency_ms(self, arch):
        return sum(self.entries_ms[key] for key in layers(self._space, arch, self._num_classes))

    def pairs(self, count, *, noise=0.03, seed=0):
        rng = random.Random(seed)
        archs = [self._space.sample(rng) for _ in range(count)]
        return [
            MeasuredPair(architecture=arch, latency_ms=self.latency_ms(arch) * (1 + rng.gauss(0, noise)))
            for arch in archs
        ]


@pytest.mark.parametrize(("space", "num_classes"), [(SMALL, 10), (OFFICIAL, 1_000)], ids=["small", "official"])
def test_a_known_device_is_recovered_from_400_pairs_with_3_percent_of_noise(space, num_classes):
    device = Additive(space, num_classes)
    table = fit_pairs(space, device.pairs(400), num_classes, rng=random.Random(0))
    assert table.rank_correlation_ratio >= 0.98
    assert table.trusted
    # And on networks that nobody measured, against what is really so.
    others = drawn(space, 200, seed=9)
    truth_ms = [device.latency_ms(arch) for arch in others]
    found_ms = [table.predict_ms(space, arch) for arch in others]
    assert rank_correlation(found_ms, truth_ms) >= 0.98
    assert statistics.mean(abs(a / b - 1) for a, b in zip(found_ms, truth_ms, strict=True)) < 0.03


def test_without_noise_the_error_is_hardly_any():
    device = Additive(SMALL, 10)
    table = fit_pairs(SMALL, device.pairs(400, noise=0.0), 10, rng=random.Random(0))
    assert table.error_fraction < 0.005
    assert table.checked_networks == len({pair.architecture for pair in device.pairs(400)})


def test_the_error_is_that_of_networks_the_fit_has_not_seen():
    """Latencies by chance alone can be remembered, but not foretold."""
    rng = random.Random(0)
    pairs = [MeasuredPair(architecture=arch, latency_ms=rng.uniform(1, 10)) for arch in drawn(OFFICIAL, 150)]
    table = fit_pairs(OFFICIAL, pairs, 10, rng=random.Random(0))
    assert table.error_fraction > 0.2
    assert abs(table.rank_correlation_ratio) < 0.5
    assert not table.trusted


def test_what_no_pair_holds_follows_from_its_macs_and_is_counted():
    device = Additive(SMALL, 10)
    small_only = [pair for pair in device.pairs(400) if pair.architecture.resolution == 8]
    table = fit_pairs(SMALL, small_only, 10, rng=random.Random(0))
    seen = set(layer_specs(replace(SMALL, resolutions=(8,)), 10))
    unseen = set(layer_specs(SMALL, 10)) - seen
    assert table.unseen_layers == len(unseen) > 0
    # A time per layer and a time per MAC: all of them on one line, and above zero.
    specs = layer_specs(SMALL, 10)
    points = sorted((layer_cost(specs[key]).macs, table.entries_ms[key]) for key in unseen)
    (x1, y1), (x2, y2) = points[0], points[-1]
    assert y1 > 0
    for macs, ms in points:
        assert ms == pytest.approx(y1 + (y2 - y1) * (macs - x1) / (x2 - x1))


def test_a_fitted_table_has_an_entry_for_every_layer_and_none_below_zero():
    table = fit_pairs(TINY, Additive(TINY, 3).pairs(400, noise=0.3), 3, rng=random.Random(0), target="phone")
    table.check_space(TINY, 3)
    assert min(table.entries_ms.values()) >= 0
    assert (table.target, table.fingerprint, table.anchor_ms) == ("phone", None, None)
    assert "measured whole" in table.made


def test_too_few_pairs_are_refused_with_the_number_that_is_needed():
    pairs = [MeasuredPair(architecture=arch, latency_ms=1.0) for arch in set(drawn(SMALL, 30))]
    with pytest.raises(UsageError, match=rf"{len(pairs)} different .* {50} are needed.*measure {50 - len(pairs)} more"):
        fit_pairs(SMALL, pairs, 10, rng=random.Random(0))


def test_a_space_of_many_layers_needs_one_network_for_every_two_of_them():
    assert fewest_pairs(SMALL, 10) == 50
    assert fewest_pairs(OFFICIAL, 1_000) == math.ceil(len(layer_specs(OFFICIAL, 1_000)) / 2) > 130
    pairs = Additive(OFFICIAL, 1_000).pairs(100)
    with pytest.raises(UsageError, match=rf"{fewest_pairs(OFFICIAL, 1_000)} are needed.*or name fewer resolutions"):
        fit_pairs(OFFICIAL, pairs, 1_000, rng=random.Random(0))


def test_fewer_networks_than_layers_are_said_to_be_few():
    few, many = (fit_pairs(OFFICIAL, Additive(OFFICIAL, 9).pairs(n), 9, rng=random.Random(0)) for n in (150, 400))
    layers_of_space = len(layer_specs(OFFICIAL, 9))
    assert (
        few.made
        == f"fitted to 150 networks that were measured whole, which are few: fewer than its {layers_of_space} layers"
    )
    assert many.made == "fitted to 400 networks that were measured whole"
    assert few.rank_correlation_ratio < many.rank_correlation_ratio


def test_one_network_measured_many_times_is_one_network():
    arch = SMALL.max()
    with pytest.raises(UsageError, match=r"^measured pairs of measured pairs: 1 different"):
        fit_pairs(SMALL, [MeasuredPair(architecture=arch, latency_ms=1.0)] * 100, 10, rng=random.Random(0))


def test_the_same_seed_gives_the_same_table():
    pairs = Additive(SMALL, 10).pairs(100)
    assert fit_pairs(SMALL, pairs, 10, rng=random.Random(1)) == fit_pairs(SMALL, pairs, 10, rng=random.Random(1))


def listed(arch, style):
    data = arch.to_json()
    if style == "architecture":
        return {"architecture": json.dumps(data)}
    if style == "official":
        return {"architecture": json.dumps(arch.to_official())}
    if style == "json":
        return {name: json.dumps(value) for name, value in data.items()}
    between = {"blanks": " ", "commas": ",", "both": ", "}[style]
    return {name: between.join(map(str, value if isinstance(value, list) else [value])) for name, value in data.items()}


@pytest.mark.parametrize("style", ["architecture", "official", "json", "blanks", "commas", "both"])
def test_pairs_are_read_as_they_were_written(tmp_path, style):
    pairs = Additive(SMALL, 10).pairs(5)
    rows = [{**listed(pair.architecture, style), "latency_ms": pair.latency_ms, "note": "x"} for pair in pairs]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert list(read_pairs(tmp_path / "pairs.csv", SMALL)) == pairs


def test_one_number_stands_for_all_and_one_resolution_need_not_be_named(tmp_path):
    space = replace(SMALL, resolutions=(8,))
    (tmp_path / "pairs.csv").write_text("ks,e,d,latency_ms\n5,3,2,1.5\n")
    (pair,) = read_pairs(tmp_path / "pairs.csv", space)
    assert pair == MeasuredPair(architecture=space.architecture(ks=5, e=3, d=2), latency_ms=1.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column ks"),
        ("ks,e,d,latency_ms\n", "no column r"),
        ("ks,e,d,r,latency\n3,2,1,8,5\n", "no column latency_ms.*milliseconds"),
        ("architecture,ms\n", "no column latency_ms"),
        ("ks,e,d,r,latency_ms\n3,2,1,8,0\n", "line 2: column latency_ms: a latency must be above 0 ms"),
        ("ks,e,d,r,latency_ms\n3,2,1,8,1\n3,2,1,8,nan\n", "line 3: column latency_ms: a latency must be above 0 ms"),
        ("ks,e,d,r,latency_ms\n3,2,1,8,fast\n", "line 2: column latency_ms: 'fast' is no number"),
        ("ks,e,d,r,latency_ms\n3,2,1,8,1\n\n\n3,2,1,8,fast\n", "line 5: column latency_ms"),
        ("ks,e,d,r,latency_ms\n3,2,1,8\n", "line 2: this line ends before the column latency_ms"),
        ("latency_ms,ks,e,d,r\n1,3,2\n", "line 2: this line ends before the column d"),
        ("ks,e,d,r,latency_ms\n3,3,3,2,1,8,1\n", r"line 2: this line has more values.*put lists in quotes"),
        ("ks,e,d,r,latency_ms\nthree,2,1,8,1\n", "column ks: 'three' is neither a whole number nor a list.*3 5 3"),
        ('ks,e,d,r,latency_ms\n"[3,",2,1,8,1\n', r"column ks: '\[3,' is neither"),
        ("architecture,latency_ms\n{,1\n", "line 2: column architecture: this is no JSON"),
        ("ks,e,d,r,latency_ms\n3,2,1,,1\n", "line 2: the resolution r is missing"),
        ("ks,e,d,r,latency_ms\n9,2,1,8,1\n", "line 2: this is no architecture of small_image: ks holds 9"),
        ("ks,e,d,r,latency_ms\n3 3,2,1,8,1\n", "line 2: this is no architecture of small_image: ks needs 9 values"),
        ("architecture,latency_ms\n[3],1\n", r"line 2: column architecture: it must be written as \{ks, e, d, r\}"),
        ('architecture,latency_ms\n"{""ks"": 3, ""r"": 8}",1\n', "line 2: this is no architecture.* lacks e"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(tmp_path, text, words):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_pairs(tmp_path / "pairs.csv", SMALL)
