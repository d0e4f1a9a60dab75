import pytest

from carbon_nas.meters.base import Reading, spent


def reading(energy_j, component="dram"):
    return Reading(component=component, energy_j=energy_j, device_s=None)


@pytest.mark.parametrize(("was", "now"), [(None, 3.0), (1.0, None), (None, None)])
def test_what_was_spent_is_not_known_where_either_end_is_not(was, now):
    assert spent((reading(was),), (reading(now),), "energy_j") == {"dram": None}


def test_a_component_that_appeared_on_the_way_has_no_beginning_to_count_from():
    assert spent((), (reading(3.0),), "energy_j") == {"dram": None}


def test_components_are_matched_by_name_and_not_by_place():
    begin = (reading(1.0, "dram"), reading(10.0, "cpu:process"))
    end = (reading(12.0, "cpu:process"), reading(1.0, "dram"))
    assert spent(begin, end, "energy_j") == {"cpu:process": 2.0, "dram": 0.0}


def test_an_unknown_name_of_the_package_is_refused_as_usual():
    import carbon_nas.meters

    with pytest.raises(AttributeError, match="no attribute 'Thermometer'"):
        carbon_nas.meters.Thermometer  # noqa: B018
