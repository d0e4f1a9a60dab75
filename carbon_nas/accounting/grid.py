"""Carbon intensity of electricity by zone, from codecarbon's offline tables. Never online, never a silent average."""

import importlib.metadata
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from carbon_nas.errors import UnknownName
from carbon_nas.sources import Source
from carbon_nas.units import G_PER_KG

__all__ = ["Grid", "grid", "named_grids"]

WORLD = "WORLD"
_REGIONAL = {"USA": "usa", "CAN": "can"}
_BIDDING = {"SWE": "SE", "NOR": "NO", "FIN": "FI"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The electricity of a zone: location-based, yearly average.

    Attributes:
        zone: ISO 3166 alpha-3, with "/region" where there is one.
        name: in words.
        intensity_g_per_kwh: grams of CO2e per kilowatt-hour.
        year: of the data; None if the table does not say.
        basis: what is counted.
        source: where the value stands.
    """

    zone: str
    name: str
    intensity_g_per_kwh: float
    year: int | None
    basis: str
    source: Source


@cache
def _tables() -> tuple[Any, Any]:
    # Imported here: half a second, and only who asks for CO2e pays it. Its logger would write to the terminal.
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    from codecarbon.core.emissions import Emissions
    from codecarbon.input import DataSource

    source: Any = DataSource()  # type: ignore[no-untyped-call]
    return source, Emissions(source)


def _intensity_g_per_kwh(country: str, region: str | None) -> float:
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata

    _, emissions = _tables()
    mass_kg: float = emissions.get_private_infra_emissions(
        Energy.from_energy(1.0), GeoMetadata(country_iso_code=country, region=region)
    )
    # The tables have three decimals; a detour over kilograms and pounds must not add noise to them.
    return round(mass_kg * G_PER_KG, 6)


def _source(where: str) -> Source:
    return Source(key="codecarbon", where=f"codecarbon {importlib.metadata.version('codecarbon')}, {where}")


def _unknown(zone: str, names: Iterable[str], what: str) -> UnknownName:
    close = get_close_matches(zone.lower(), [name.lower() for name in names], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return UnknownName(
        f"there is no {what} {zone!r} in the offline tables",
        where="--site",
        cure=f"{hint}give a country as FR or FRA, a state, province or Nordic zone as USA/california, or WORLD",
    )


def _country(name: str, known: Iterable[str]) -> str:
    import pycountry

    known = set(known)
    entry = pycountry.countries.get(alpha_2=name.upper()) or pycountry.countries.get(alpha_3=name.upper())
    if entry is None:
        entry = pycountry.countries.get(name=name.title())
    code = entry.alpha_3 if entry is not None else name.upper()
    if code not in known:
        names = [country.name for country in pycountry.countries if country.alpha_3 in known]
        raise _unknown(name, [*names, *known], "zone")
    return str(code)


def grid(zone: str) -> Grid:
    """Look a zone up.

    Args:
        zone: a country (`FR`, `FRA`, `France`), a US state or Canadian province (`USA/california`), or `WORLD`.

    Raises:
        UnknownName: if the tables do not have it; an average is never put in its place.
    """
    source, _ = _tables()
    if zone.upper() == WORLD:
        table = source.get_carbon_intensity_per_source_data()
        return Grid(
            zone=WORLD,
            name="world average",
            intensity_g_per_kwh=float(table["world_average"]),
            year=None,
            basis="electricity generation, IEA status report of 2019",
            source=_source("carbon_intensity_per_source.json, IEA Global Energy & CO2 Status Report 2019"),
        )
    mix = source.get_global_energy_mix_data()
    wanted, slash, region = zone.partition("/")
    country = _country(wanted.strip(), mix)
    if not slash:
        facts = mix[country]
        return Grid(
            zone=country,
            name=facts["country_name"],
            intensity_g_per_kwh=_intensity_g_per_kwh(country, None),
            year=facts.get("year"),
            basis="national production mix, yearly average",
            source=_source("global_energy_mix.json (Our World in Data, Ember)"),
        )
    return _region(source, country, region.strip())


def _region(source: Any, country: str, region: str) -> Grid:
    if country in _BIDDING:
        return _bidding_zone(source, country, region.upper())
    if country not in _REGIONAL:
        raise _unknown(region, [], f"region of {country}")
    short, states = _REGIONAL[country], country == "USA"
    table = source.get_country_emissions_data(short) if states else source.get_country_energy_mix_data(short)
    regions = {name: facts for name, facts in table.items() if not name.startswith("_")}
    if region.lower() not in regions:
        raise _unknown(region, regions, f"region of {country}")
    return Grid(
        zone=f"{country}/{region.lower()}",
        name=region.title(),
        intensity_g_per_kwh=_intensity_g_per_kwh(country, region.lower()),
        year=2023,
        basis="state average, total output" if states else "provincial production mix, yearly average",
        source=_source("usa_emissions.json (EPA eGRID2023)" if states else "canada_energy_mix.json"),
    )


def _bidding_zone(source: Any, country: str, zone: str) -> Grid:
    zones = source.get_nordic_country_energy_mix_data()["data"]
    if zone not in zones or not zone.startswith(_BIDDING[country]):
        raise _unknown(zone, [name for name in zones if name.startswith(_BIDDING[country])], f"zone of {country}")
    return Grid(
        zone=f"{country}/{zone}",
        name=zone,
        intensity_g_per_kwh=_intensity_g_per_kwh(country, zone),
        year=zones[zone].get("year"),
        basis="electricity bidding zone, average",
        source=_source("nordic_emissions.json"),
    )


def named_grids() -> tuple[Grid, ...]:
    """Return three grids, low, mean and high, that stand in until a site is named."""
    return grid("SWE"), grid(WORLD), grid("IND")
