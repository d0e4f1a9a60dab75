import pytest

from carbon_nas.accounting.methods import STRUBELL_FACTOR, STRUBELL_PUE
from carbon_nas.errors import UnknownName
from carbon_nas.references import (
    REFERENCES,
    lb_per_gpu_h,
    nas_costs,
    power_per_gpu_w,
    usd_per_gpu_h,
)
from carbon_nas.uncertain import printed


@pytest.mark.parametrize(("accelerator", "factor"), [("V100", 0.283600), ("P100", 0.285530)])
def test_pounds_of_one_gpu_hour(accelerator: str, factor: float) -> None:
    assert lb_per_gpu_h(accelerator) == pytest.approx(factor, rel=0, abs=5e-7)


@pytest.mark.parametrize(("accelerator", "power_w"), [("V100", 188.15), ("P100", 189.43)])
def test_watts_behind_one_gpu_hour(accelerator: str, power_w: float) -> None:
    assert power_per_gpu_w(accelerator) == pytest.approx(power_w, rel=0, abs=0.005)


def test_dollars_of_one_gpu_hour() -> None:
    assert usd_per_gpu_h() == 3.06


def test_the_power_that_was_measured_is_far_from_the_one_that_was_estimated() -> None:
    assert REFERENCES["patterson2021-power-v100"].printed.value / power_per_gpu_w("V100") == pytest.approx(
        1.73, abs=0.005
    )


def test_the_factor_of_the_v100_and_no_other_gives_the_largest_row_of_the_table() -> None:
    nasnet = nas_costs()["cai2020-nasnet-a"]
    hours = nasnet.gpu_h(nasnet.scenarios)
    assert printed(nasnet.co2e_text).holds(hours * lb_per_gpu_h("V100"))
    assert not printed(nasnet.co2e_text).holds(hours * lb_per_gpu_h("P100"))


@pytest.mark.parametrize("function", [lb_per_gpu_h, power_per_gpu_w])
def test_an_accelerator_without_a_published_power_is_refused(function) -> None:
    with pytest.raises(UnknownName, match="H100"):
        function("H100")


def test_the_constants_of_the_method_are_those_of_the_register() -> None:
    inputs = {one.name: one.number for one in REFERENCES["strubell2019-bert-base"].inputs}
    assert (STRUBELL_PUE.value, STRUBELL_FACTOR.value) == (inputs["pue"], inputs["intensity"])
