from itertools import pairwise
from math import prod

import pytest

from carbon_nas.references import REFERENCES, waterfall
from carbon_nas.sources import BIBLIOGRAPHY
from carbon_nas.uncertain import printed


def test_it_leads_from_the_first_estimate_to_its_correction() -> None:
    assert [round(step.mass_lb) for step in waterfall()] == [626_155, 268_352, 33_544, 23_353, 23_260, 7_096]


def test_each_step_divides_the_mass_before_it() -> None:
    steps = waterfall()
    for before, after in pairwise(steps):
        assert before.mass_lb / after.factor_ratio == pytest.approx(after.mass_lb, rel=1e-12)


def test_the_product_of_the_factors_is_the_published_88() -> None:
    product = prod(step.factor_ratio for step in waterfall())
    assert printed(REFERENCES["patterson2021-nas-ratio"].text).holds(product)


def test_the_overlooked_proxy_is_the_published_18_7() -> None:
    _, time, devices, *_ = waterfall()
    assert printed(REFERENCES["patterson2021-nas-proxy-ratio"].text).holds(time.factor_ratio * devices.factor_ratio)
    assert printed(REFERENCES["patterson2021-nas-proxy"].text).holds(devices.mass_lb)


def test_only_the_last_factor_is_what_is_left_and_it_is_the_published_one() -> None:
    *computed, last = waterfall()
    assert last.residual
    assert "residual" in last.note
    assert not any(step.residual for step in computed)
    assert printed(REFERENCES["patterson2021-nas-performance-per-watt"].text).holds(last.factor_ratio)


def test_the_published_end_and_the_product_of_published_factors_agree_within_rounding() -> None:
    before = waterfall()[-2].mass_lb
    published = before / printed(REFERENCES["patterson2021-nas-performance-per-watt"].text).low
    assert published > REFERENCES["patterson2021-nas"].printed.value
    assert before / printed("3.3").high < REFERENCES["patterson2021-nas"].printed.value


def test_every_step_has_a_source() -> None:
    assert all(step.source.key in BIBLIOGRAPHY and step.source.where for step in waterfall())
