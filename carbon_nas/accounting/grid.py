"""Carbon intensity of electricity by zone, from codecarbon's offline tables. Never online, never a silent average."""

import importlib.metadata
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from math import inf
from typing import Any

from carbon_nas.errors import InvalidSite, UnknownName
from carbon_nas.files import sha256
from carbon_nas.sources import Source
from carbon_nas.uncertain import WIDEST_GSD_RATIO
from carbon_nas.units import G_PER_KG

__all__ = ["DIRECT", "Grid", "Kind", "LIFE_CYCLE", "NOT_STATED", "counted", "grid", "named_grids"]

LIFE_CYCLE, DIRECT, NOT_STATED = "life cycle", "direct", "direct or life cycle not stated"

WORLD = "WORLD"
_REGIONAL = {"USA": "usa", "CAN": "can"}
_BIDDING = {"SWE": "SE", "NOR": "NO", "FIN": "FI"}
_CHINA = "CHN"
_CLOUDS = ("aws", "azure", "gcp")
# As the provider spells it, where the table does not.
_SPELLING = {"me-cenrtal1": "me-central1"}
# The table of cloud regions names no year. This is the hash of the values that Google published for 2023
# (GoogleCloudPlatform/region-carbon-info, data/yearly/2023.csv): another table gets no year until it is looked at.
_GCP_2023 = "d2d7ccbaf8a44c1d3e69cf912a1e24ab9183aecf4319b2b43ecf673468b374f8"
_LICENCE = "MIT, as shipped with codecarbon"


class Kind(StrEnum):
    """Which question an intensity answers. Answers to different ones stand side by side and are never added."""

    LOCATION = "location-based"
    MARKET = "market-based"
    MARGINAL = "marginal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The electricity of a zone or a contract, as one average.

    Attributes:
        zone: ISO 3166 alpha-3, with "/region" where there is one; a cloud region as "gcp/europe-west1".
        name: in words.
        intensity_g_per_kwh: grams of CO2e per kilowatt-hour.
        year: of the data; None if the table does not say.
        basis: what is counted: direct or over the life cycle, and of which electricity.
        source: where the value stands; its key is empty if the user gave it.
        kind: which question it answers.
        gsd_ratio: its geometric standard deviation; None: not quantified.
        licence: under which the value may be passed on; empty if not said.
        stands_in_for: what was asked for and is not known, if this was named as a substitute.
    """

    zone: str
    name: str
    intensity_g_per_kwh: float
    year: int | None
    basis: str
    source: Source
    kind: Kind = Kind.LOCATION
    gsd_ratio: float | None = None
    licence: str = ""
    stands_in_for: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.intensity_g_per_kwh < inf:
            raise InvalidSite(
                f"an intensity of {self.intensity_g_per_kwh:g} g/kWh cannot be",
                where=self.name,
                cure="give grams of CO2e per kilowatt-hour, zero or more",
            )
        if self.gsd_ratio is not None and not 1.0 <= self.gsd_ratio <= WIDEST_GSD_RATIO:
            raise InvalidSite(
                f"a geometric standard deviation of {self.gsd_ratio:g} cannot be",
                where=self.name,
                cure=f"give 1 to {WIDEST_GSD_RATIO:g}, or leave it out if it is not known",
            )


def counted(basis: str) -> str:
    """Return what a basis in words counts: `LIFE_CYCLE`, `DIRECT`, or `NOT_STATED` if it names neither, or both."""
    said = {
        LIFE_CYCLE: re.search(r"\blife[ -]?cycle\b", basis, flags=re.IGNORECASE),
        DIRECT: re.search(r"\bdirect\b", basis, flags=re.IGNORECASE),
    }
    found = [scope for scope, match in said.items() if match]
    return found[0] if len(found) == 1 else NOT_STATED


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
        cure=f"{hint}give a country as FR or FRA, a state, province or Nordic zone as USA/california, "
        "a cloud region as gcp/europe-west1, or WORLD",
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
        zone: a country (`FR`, `FRA`, `France`), a US state, a province of Canada or China, a Nordic bidding zone
            (`USA/california`, `CHN/sichuan`, `SWE/SE1`), a cloud region (`gcp/europe-west1`), or `WORLD`.

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
            basis=f"{NOT_STATED}; electricity generation, IEA status report of 2019",
            source=_source("carbon_intensity_per_source.json, IEA Global Energy & CO2 Status Report 2019"),
            licence=_LICENCE,
        )
    wanted, slash, region = (part.strip() for part in zone.partition("/"))
    if slash and wanted.lower() in _CLOUDS:
        return _cloud_region(source, wanted.lower(), region.lower())
    # Where there is no value, codecarbon would put the world's in its place.
    mix = {
        code: facts
        for code, facts in source.get_global_energy_mix_data().items()
        if facts.get("carbon_intensity") is not None
    }
    country = _country(wanted, mix)
    if slash:
        return _region(source, country, region)
    facts = mix[country]
    return Grid(
        zone=country,
        name=facts["country_name"],
        intensity_g_per_kwh=_intensity_g_per_kwh(country, None),
        year=facts.get("year"),
        # As Our World in Data counts what Ember publishes.
        basis=f"{LIFE_CYCLE}, national production mix, yearly average",
        source=_source("global_energy_mix.json (Our World in Data, Ember)"),
        licence=_LICENCE,
    )


def _region(source: Any, country: str, region: str) -> Grid:
    if country in _BIDDING:
        return _bidding_zone(source, country, region.upper())
    if country == _CHINA:
        return _chinese_province(source, region.lower())
    if country not in _REGIONAL:
        raise _unknown(region, [], f"region of {country}")
    short, states = _REGIONAL[country], country == "USA"
    table = source.get_country_emissions_data(short) if states else source.get_country_energy_mix_data(short)
    # The table of states ends with the whole country, which is no state.
    regions = {name: facts for name, facts in table.items() if not name.startswith("_") and name != short}
    if region.lower() not in regions:
        raise _unknown(region, regions, f"region of {country}")
    path = source.country_emissions_data_path(short) if states else source.country_energy_mix_data_path(short)
    # The tables lie in folders by year; newer ones also say within where they are from.
    origin = table.get("_source", {"year": int(path.parent.name) if path.parent.name.isdecimal() else None})
    # eGRID counts what leaves the stack. Older tables do not say within that they are of it.
    scope = DIRECT if "eGRID" in str(origin.get("name")) else NOT_STATED
    return Grid(
        zone=f"{country}/{region.lower()}",
        name=region.title(),
        intensity_g_per_kwh=_intensity_g_per_kwh(country, region.lower()),
        year=origin["year"],
        basis=f"{scope}; state average, total output"
        if states
        # So codecarbon counts them: Emissions._region_energy_mix_to_emissions_rate.
        else f"{NOT_STATED}; provincial production mix, yearly average; coal, oil and gas only, all other sources "
        "counted as zero",
        source=_source(f"{path.name} ({origin.get('name', f'folder {path.parent.name}')})"),
        licence=_LICENCE,
    )


def _bidding_zone(source: Any, country: str, zone: str) -> Grid:
    zones = source.get_nordic_country_energy_mix_data()["data"]
    if zone not in zones or not zone.startswith(_BIDDING[country]):
        raise _unknown(zone, [name for name in zones if name.startswith(_BIDDING[country])], f"zone of {country}")
    facts = zones[zone]
    coverage = facts.get("coverage")
    return Grid(
        zone=f"{country}/{zone}",
        name=facts.get("description", zone),
        intensity_g_per_kwh=_intensity_g_per_kwh(country, zone),
        year=facts.get("year"),
        basis=f"{NOT_STATED}; production mix of the bidding zone, yearly average; covers {coverage}"
        if coverage
        else f"{NOT_STATED}; electricity bidding zone, average; the table does not say how it was found",
        source=_source("nordic_emissions.json"),
        licence=_LICENCE,
    )


def _chinese_province(source: Any, province: str) -> Grid:
    # Only newer versions have this table.
    read = getattr(source, "get_china_provincial_emissions_data", None)
    table = read() if read else {"data": {}}
    named = {name: facts for facts in table["data"].values() for name in facts["names"]}
    if province not in named:
        raise _unknown(province, named, "province of CHN")
    facts = named[province]
    return Grid(
        zone=f"{_CHINA}/{facts['names'][0]}",
        name=facts["description"],
        intensity_g_per_kwh=_intensity_g_per_kwh(_CHINA, province),
        year=facts["year"],
        basis=f"{DIRECT}, CO2 only; provincial average with transfers between provinces",
        source=_source(
            f"china_provincial_emissions.json (announcement {table['metadata']['announcement']} "
            "of the Ministry of Ecology and Environment and the National Bureau of Statistics, Table 3)"
        ),
        licence=_LICENCE,
    )


def _cloud_region(source: Any, provider: str, region: str) -> Grid:
    rows: Mapping[str, Any] = {
        _SPELLING.get(row["region"], row["region"]): row
        for row in source.get_cloud_emissions_data().to_dict("records")
        if row["provider"] == provider
    }
    if not rows:
        raise UnknownName(
            f"the offline tables have no intensities of {provider}",
            where="--site",
            cure=f"give the country or state that {region or 'the region'} lies in, such as IRL or USA/virginia",
        )
    if region not in rows:
        raise _unknown(region, rows, f"region of {provider}")
    row = rows[region]
    checked = _fingerprint(rows) == _GCP_2023
    return Grid(
        zone=f"{provider}/{region}",
        name=f"{row['providerName']} {region} ({row['city']}, {row['country_name']})",
        intensity_g_per_kwh=float(row["impact"]),
        year=2023 if checked else None,
        basis=f"{NOT_STATED}; average of the local grid, gross: without the provider's own contracts",
        source=_source(f"impact.csv ({row['source']}{', year 2023' if checked else ''})"),
        licence=_LICENCE,
    )


def _fingerprint(rows: Mapping[str, Any]) -> str:
    return sha256("".join(f"{region} {rows[region]['impact']:g}\n" for region in sorted(rows)).encode())


def named_grids() -> tuple[Grid, ...]:
    """Return three grids, low, mean and high, that stand in until a site is named."""
    return grid("SWE"), grid(WORLD), grid("IND")
