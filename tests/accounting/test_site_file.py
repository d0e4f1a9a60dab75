"""Site files: every key is heard, what cannot be is refused with its cure, and the description travels by itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting.embodied import EMBODIED, S_PER_YEAR
from carbon_nas.accounting.grid import Kind, grid
from carbon_nas.accounting.series import Gaps
from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.accounting.site_reading import read_site_file
from carbon_nas.comparison.use_phase import Fleet
from carbon_nas.errors import CarbonNasError, InvalidSite, UnknownName, UsageError
from carbon_nas.reporting.published_request import ask_published
from carbon_nas.reporting.request import Request, ask
from tests.accounting.places import NEW_YEAR

HOURS = """utc,intensity_g_per_kwh
2020-01-01T00:00Z,100.1
2020-01-01T01:00Z,300
2020-01-01T02:00Z,
2020-01-01T03:00Z,50
"""
FACTORS = """name,intensity_g_per_kwh,year,basis,source,kind,zone,licence,gsd_ratio
Green Power Ltd,12.5,2023,contract with guarantees of origin,supplier's letter,market-based,FRA,CC0,1.1
National inventory,61.3,2022,direct,ministry,location-based,FRA,,
Build margin,700,,marginal build,study,marginal,FRA,,
"""
LOCATION = '[location]\nintensity_g_per_kwh = 87.6\nbasis = "direct"\nsource = "our meter"\n'
MARKET = '[market]\nintensity_g_per_kwh = 5.5\nbasis = "contract"\nsource = "our supplier"\n'
MARGINAL = '[marginal]\nintensity_g_per_kwh = 1\nbasis = "marginal"\nsource = "a study"\n'
HOURLY = '[hourly]\nfile = "hours.csv"\nbasis = "direct"\nsource = "the operator"\n'
OWN_PIECE = (
    '[[embodied]]\ncomponent = "cpu:*"\nmass_kg = 1000.1\nsource = "its maker"\n'
    "lifetime_years = 4\nutilisation_ratio = 0.9\n"
)
GPU = '[[embodied]]\ncomponent = "gpu:*"\nitem = "bloom-a100"\n'

EVERYTHING = f"""
name = "hall 3"
zone = "FR"
intensity_gsd_ratio = 1.05
pue = 1.3
pue_source = "the operator, 2023"
pue_gsd_ratio = 1.02
energy = "it"
host_share = 0.2
idle_share = 0.1
ledgers = ["team-a-*.jsonl"]
{MARKET}
{HOURLY}gaps = "fill"
[marginal_hourly]
file = "hours.csv"
basis = "marginal"
source = "the operator"
name = "merit order"
{GPU}count = 8
share_ratio = 0.25
lifetime_years = 5
utilisation_ratio = 0.5
stands_in_for = "NVIDIA H200"
gsd_ratio = 1.6
{OWN_PIECE}name = "chassis"
proxy = true
includes = ["dram"]
"""


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "hours.csv").write_text(HOURS, encoding="utf-8")
    (tmp_path / "factors.csv").write_text(FACTORS, encoding="utf-8")

    def written(text: str) -> Path:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def described(write):
    """Read a description and return what it describes."""

    def read(text: str):
        return read_site_file(write(text)).site()

    return read


# What it can say.


def test_every_key_is_heard(described):
    place = described(EVERYTHING)
    assert place.named
    assert (place.name, place.ledgers) == ("hall 3", ("team-a-*.jsonl",))
    assert place.grids == (replace(grid("FR"), gsd_ratio=1.05),)
    assert (place.pue, place.pue_source, place.pue_gsd_ratio) == (1.3, "the operator, 2023", 1.02)
    assert (place.facility_metered, place.host_ratio, place.idle_ratio) == (False, 0.2, 0.1)
    assert place.market is not None
    assert (place.market.kind, place.market.intensity_g_per_kwh) == (Kind.MARKET, 5.5)
    assert place.hourly is not None
    assert place.hourly.values_g_per_kwh == (100.1, 300.0, None, 50.0)
    assert (place.hourly.kind, place.hourly.start_utc, place.hourly.step_s) == (Kind.LOCATION, NEW_YEAR, 3600.0)
    assert (place.hourly.name, place.hourly.zone, place.hourly.basis) == ("hours", "FR", "direct")
    assert place.hourly_gaps is Gaps.FILL
    assert (place.marginal.name, place.marginal.kind, place.marginal_gaps) == (
        "merit order",
        Kind.MARGINAL,
        Gaps.REFUSE,
    )
    assert [view.key for view in place.views] == ["location", "market", "hourly", "marginal", "embodied"]


def test_a_piece_of_the_catalogue_keeps_its_mass_and_source_and_takes_the_rest_from_the_file(described):
    piece, _ = described(EVERYTHING).embodied
    assert piece == EMBODIED["bloom-a100"].item(
        component="gpu:*",
        count=8,
        share_ratio=0.25,
        lifetime_s=5 * S_PER_YEAR,
        utilisation_ratio=0.5,
        stands_in_for="NVIDIA H200",
        gsd_ratio=1.6,
    )
    assert "in place of NVIDIA H200" in piece.label


def test_a_piece_of_ones_own_is_all_in_the_file(described):
    _, piece = described(EVERYTHING).embodied
    assert (piece.name, piece.mass_kg, piece.lifetime_s) == ("chassis", 1000.1, 4 * S_PER_YEAR)
    assert (piece.utilisation_ratio, piece.proxy, piece.includes) == (0.9, True, ("dram",))
    assert (piece.source.key, piece.source.where) == ("", "its maker")


def test_a_piece_of_the_catalogue_alone_is_as_its_source_has_it(described):
    (piece,) = described('zone = "FR"\n' + GPU).embodied
    assert piece == EMBODIED["bloom-a100"].item(component="gpu:*")


def test_an_own_location_based_factor_is_in_place_of_a_zone(described):
    place = described(LOCATION + 'name = "roof"\nyear = 2024\ngsd_ratio = 1.2\nlicence = "CC0"\n')
    (found,) = place.grids
    assert place.named
    assert (found.intensity_g_per_kwh, found.kind, found.year) == (87.6, Kind.LOCATION, 2024)
    assert (found.name, found.gsd_ratio, found.licence, found.basis) == ("roof", 1.2, "CC0", "direct")
    assert (found.source.key, found.source.where) == ("", "our meter")
    assert place.label == "roof, 2024; IT energy only"


def test_factors_are_taken_from_rows_of_a_file_by_name(described):
    place = described(
        '[location]\nfile = "factors.csv"\nname = "National inventory"\n'
        '[market]\nfile = "factors.csv"\nname = "Green Power Ltd"\n'
        '[marginal]\nfile = "factors.csv"\nname = "Build margin"\n'
    )
    assert (place.grids[0].intensity_g_per_kwh, place.grids[0].year) == (61.3, 2022)
    assert place.market is not None
    assert (place.market.intensity_g_per_kwh, place.market.gsd_ratio, place.market.licence) == (12.5, 1.1, "CC0")
    assert (place.market.zone, place.market.source.where) == ("FRA", "supplier's letter")
    assert (place.marginal.intensity_g_per_kwh, place.marginal.year) == (700.0, None)


def test_a_row_that_tells_no_kind_is_of_the_one_for_which_it_is_used(described, tmp_path):
    (tmp_path / "bare.csv").write_text(
        "name,intensity_g_per_kwh,year,basis,source\nours,12.5,2023,contract,letter\n", encoding="utf-8"
    )
    row = 'file = "bare.csv"\nname = "ours"\n'
    place = described(f"[location]\n{row}[market]\n{row}[marginal]\n{row}")
    assert [one.kind for one in (*place.grids, place.market, place.marginal)] == [
        Kind.LOCATION,
        Kind.MARKET,
        Kind.MARGINAL,
    ]


def test_energy_of_the_building_is_facility_energy(described):
    assert described('zone = "FR"\nenergy = "facility"\n').boundary == "facility energy as metered"


def test_an_empty_file_is_a_site_that_is_not_given(described):
    assert described("") == SiteFile().site()
    assert not described("").named


def test_a_marginal_factor_may_stand_beside_grids_that_stand_in(described):
    place = described(MARGINAL)
    assert [view.key for view in place.views][-1] == "marginal"
    assert not place.named


# What it cannot say: each refusal names the place and the cure.

REFUSED = {
    "a key that is not there": ('zon = "FR"\n', "zon: .*the settings are name, zone"),
    "a key that is not there, within": ('zone = "FR"\n[market]\nintensity = 1\n', r"market\.intensity"),
    "no TOML": ("zone = FR\n", "cannot be read"),
    "two places": ('zone = "FR"\n' + LOCATION, "zone and location both.*give one"),
    "two margins": (
        f'zone = "FR"\n{MARGINAL}[marginal_hourly]\nfile = "hours.csv"\nbasis = "b"\nsource = "s"\n',
        "marginal and marginal_hourly both.*give one",
    ),
    "a contract without a place": (MARKET, "give zone or location"),
    "hours without a place": (HOURLY, "give zone or location"),
    "a factor without a source": ('zone = "FR"\n[market]\nintensity_g_per_kwh = 1\nbasis = "b"\n', "market.source"),
    "a factor below zero": (LOCATION.replace("87.6", "-1"), "location.intensity_g_per_kwh"),
    "a factor that is no number": (LOCATION.replace("87.6", "nan"), "location.intensity_g_per_kwh"),
    "another kind of energy": ('zone = "FR"\nenergy = "gross"\n', "energy: .*'it' or 'facility'"),
    "a PUE that is yes": ('zone = "FR"\npue = true\n', "site.toml: pue: "),
    "a PUE in quotes": ('zone = "FR"\npue = "1.2"\n', "site.toml: pue: "),
    "a factor in quotes": (LOCATION.replace("87.6", '"87.6"'), "location.intensity_g_per_kwh"),
    "a share that is yes": ('zone = "FR"\nidle_share = true\n', "idle_share"),
    "a spread in quotes": ('zone = "FR"\nintensity_gsd_ratio = "1.1"\n', "intensity_gsd_ratio"),
    "a year that is yes": (LOCATION + "year = true\n", "location.year"),
    "a year in quotes": (LOCATION + 'year = "2023"\n', "location.year"),
    "a lifetime without an end": ('zone = "FR"\n' + GPU + "lifetime_years = inf\n", "lifetime_years"),
    "a part that is yes": ('zone = "FR"\n' + GPU + "share_ratio = true\n", "share_ratio"),
    "pieces that are yes": ('zone = "FR"\n' + GPU + "count = true\n", "count"),
    "pieces in quotes": ('zone = "FR"\n' + GPU + 'count = "8"\n', "count"),
    "a factor from nowhere": (LOCATION.replace("our meter", "  "), "location.source"),
    "a factor of nothing": (LOCATION.replace("direct", " "), "location.basis"),
    "own hardware from nowhere": ('zone = "FR"\n' + OWN_PIECE.replace("its maker", "  "), "mass_kg needs source"),
    "hours from nowhere": ('zone = "FR"\n' + HOURLY.replace("the operator", "  "), r"\[hourly\].*source"),
    "hours of nothing": ('zone = "FR"\n' + HOURLY.replace("direct", " "), r"\[hourly\].*basis"),
    "hardware of no component": ('zone = "FR"\n' + GPU.replace("gpu:*", " "), "embodied.0.component"),
    "a host where the building was metered": (
        'zone = "FR"\nhost_share = 0.1\nenergy = "facility"\n',
        "host_share: .*has the host in it; leave it out",
    ),
    "a PUE below one": ('zone = "FR"\npue = 0.9\n', "PUE of 0.9"),
    "a PUE where the building was metered": ('zone = "FR"\npue = 1.2\nenergy = "facility"\n', "leave the PUE out"),
    "a spread below one": ('zone = "FR"\npue = 1.2\npue_gsd_ratio = 0.9\n', "pue_gsd_ratio"),
    "a spread that is no number": ('zone = "FR"\npue = 1.2\npue_gsd_ratio = nan\n', "pue_gsd_ratio"),
    "a spread without an end": ('zone = "FR"\npue = 1.2\npue_gsd_ratio = inf\n', "geometric|pue_gsd_ratio"),
    "a share below zero": ('zone = "FR"\nhost_share = -0.1\n', "host_share"),
    "patterns that are no list": ('zone = "FR"\nledgers = "a.jsonl"\n', "ledgers"),
    "hours without a source": (
        'zone = "FR"\n[hourly]\nfile = "hours.csv"\nbasis = "b"\n',
        r'\[hourly\]: a series needs source.*source = "\.\.\."',
    ),
    "hours that are not there": (HOURLY.replace("hours", "days") + "\n", "days.csv.*cannot be read"),
    "hours that are filled otherwise": ('zone = "FR"\n' + HOURLY + 'gaps = "ignore"\n', "hourly.gaps.*'fill'"),
    "hours that are only named": ('zone = "FR"\nhourly = "hours.csv"\n', "hourly"),
    "a row that is not there": (
        'zone = "FR"\n[market]\nfile = "factors.csv"\nname = "Green"\n',
        r"\[market\]: there is no row 'Green' in .*factors\.csv; give a name: Green Power Ltd",
    ),
    "a row without a name": ('zone = "FR"\n[market]\nfile = "factors.csv"\n', "no row '' in .*; give a name"),
    "a row of another kind": (
        '[location]\nfile = "factors.csv"\nname = "Green Power Ltd"\n',
        r"\[location\]: the row 'Green Power Ltd' of .* is market-based; name one that is location-based",
    ),
    "a file that is not there": ('zone = "FR"\n[market]\nfile = "no.csv"\nname = "a"\n', "no.csv.*cannot be read"),
    "hardware that is not in the catalogue": (
        'zone = "FR"\n[[embodied]]\ncomponent = "gpu:*"\nitem = "a100"\n',
        r"embodied\.0: there is no item 'a100'; choose one of .*bloom-a100",
    ),
    "hardware twice over": ('zone = "FR"\n' + GPU + "mass_kg = 1\n", "either an item of the catalogue, or mass_kg"),
    "hardware without a mass": ('zone = "FR"\n[[embodied]]\ncomponent = "gpu:*"\n', "either an item"),
    "own hardware without a source": ('zone = "FR"\n' + OWN_PIECE.replace('source = "its maker"\n', ""), "source"),
    "hardware without a lifetime": (
        'zone = "FR"\n[[embodied]]\ncomponent = "gpu:*"\nitem = "a100-sxm-40gb"\n',
        "tells no lifetime; give a lifetime",
    ),
    "hardware that is used more than always": ('zone = "FR"\n' + OWN_PIECE.replace("0.9", "1.1"), "utilisation_ratio"),
    "a GPU within a server": ('zone = "FR"\n' + GPU + OWN_PIECE + 'includes = ["gpu"]\n', "counted twice.*leave one"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_its_place_and_its_cure(write, what):
    text, message = REFUSED[what]
    with pytest.raises(CarbonNasError, match=message) as refusal:
        read_site_file(write(text))
    assert isinstance(refusal.value, InvalidSite | UnknownName)
    assert "\n" not in str(refusal.value)


def test_a_zone_that_is_not_there_is_no_average(write):
    with pytest.raises(UnknownName, match=r"site\.toml, zone: .*Frence.*did you mean france") as refusal:
        read_site_file(write('zone = "Frence"\n'))
    # Nobody typed that.
    assert "--site" not in str(refusal.value)


def test_a_file_that_is_not_there_is_said_plainly(tmp_path):
    with pytest.raises(InvalidSite, match=r"no\.toml"):
        read_site_file(tmp_path / "no.toml")


@pytest.mark.parametrize(
    "text",
    [
        'zone = "FR"\npue = 0.9\n',
        'zone = "FR"\npue = 1.2\nenergy = "facility"\n',
        'zone = "FR"\nhost_share = -0.1\n',
        'zone = "Frence"\n',
        'zone = "FR"\n' + GPU + OWN_PIECE + 'includes = ["gpu"]\n',
    ],
)
def test_whatever_cannot_be_names_its_file(write, text):
    with pytest.raises(CarbonNasError, match=r"site\.toml"):
        read_site_file(write(text))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ('zone = "FR"\n[market]\nintensty_g_per_kwh = 1\n', "intensity_g_per_kwh"),
        ('zone = "FR"\n' + HOURLY + 'gap = "fill"\n', "gaps"),
        ('zone = "FR"\n' + GPU + "utilization_ratio = 0.5\n", "utilisation_ratio"),
    ],
)
def test_a_typo_within_a_section_is_cured_by_the_settings_of_that_section(write, text, settings):
    with pytest.raises(InvalidSite) as refusal:
        read_site_file(write(text))
    assert settings in (refusal.value.cure or "")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('zone = "FR"\n' + MARKET.replace("intensity_g_per_kwh", "intensty_g_per_kwh"), "market.intensty_g_per_kwh"),
        (LOCATION.replace("source", "sorce"), "location.sorce"),
        ('zone = "FR"\n' + GPU.replace("component", "componant"), "embodied.0.componant"),
    ],
)
def test_a_misspelt_key_is_named_before_the_one_that_it_leaves_missing(write, text, key):
    with pytest.raises(InvalidSite, match=rf"site\.toml: {key}: ") as refusal:
        read_site_file(write(text))
    assert "required" not in refusal.value.what


@pytest.mark.parametrize(
    "text",
    [
        LOCATION.replace("[location]", "intensity_gsd_ratio = 1.2\n[location]"),
        "intensity_gsd_ratio = 1.2\n",
        'zone = "FR"\npue_gsd_ratio = 1.2\n',
        'zone = "FR"\npue_source = "the operator"\n',
        'zone = "FR"\n[market]\nfile = "factors.csv"\nname = "Green Power Ltd"\nintensity_g_per_kwh = 3\n',
        'zone = "FR"\n[market]\nfile = "factors.csv"\nname = "Green Power Ltd"\nyaer = 2023\n',
        'zone = "FR"\n' + GPU + 'includes = ["cpu"]\n',
        'zone = "FR"\n' + GPU + 'source = "our own"\n',
    ],
    ids=["spread of an own factor", "spread of nothing", "spread of no PUE", "source of no PUE", "number over a row",
         "typo beside a row", "parts of a known piece", "source of a known piece"],
)  # fmt: skip
def test_what_would_have_no_effect_is_refused_and_not_passed_over(write, text):
    with pytest.raises(InvalidSite):
        read_site_file(write(text))


def test_a_whole_number_is_a_number_and_blanks_around_words_are_none(described):
    place = described('zone = " FR "\nname = " hall 3 "\npue = 2\n')
    assert (place.name, place.pue, place.grids) == ("hall 3", 2.0, (grid("FR"),))


# It travels with a report.


def test_a_request_gives_the_same_sites_after_its_files_are_gone(write, tmp_path):
    asked = ask(
        sites=[
            read_site_file(write(EVERYTHING)),
            read_site_file(write('zone = "DE"\npue = 1\nledgers = ["b-*.jsonl"]\n')),
        ],
        methods=("sci", "metered", "sci"),
        fleet=Fleet(devices=3, requests_per_day=15, lifetime_days=100),
        equivalents=True,
    )
    kept = asked.model_dump_json()
    for path in tmp_path.iterdir():
        path.unlink()
    again = Request.model_validate_json(kept)
    assert again == asked
    assert again.places() == asked.places()
    assert again.model_dump_json() == kept
    assert again.methods == ("sci", "metered")


def test_a_request_without_anything_is_a_site_that_is_not_given():
    assert Request.model_validate_json(ask().model_dump_json()).places().only == SiteFile().site()


@pytest.mark.parametrize("asked", [("FR", None), (None, 1.2), ("FR", 1.2)])
def test_a_zone_or_a_pue_beside_a_site_file_is_refused_and_neither_is_passed_over(asked):
    zone, pue = asked
    place = SiteFile(zone="DE")
    for refused in (lambda: ask(zone, pue, sites=[place]), lambda: ask_published(zone=zone, pue=pue, site=place)):
        with pytest.raises(UsageError, match=r"--site: .*say what a site file says; write zone and pue into"):
            refused()
    assert ask(sites=[place]).sites == (place,)
    assert ask_published(site=place).site == place
    assert ask(zone, pue).sites == (ask_published(zone=zone, pue=pue).site,) == (SiteFile(zone=zone, pue=pue),)


def test_sites_of_computers_and_of_buildings_are_refused_when_they_are_asked_for():
    with pytest.raises(InvalidSite, match="no sum"):
        ask(sites=(SiteFile(zone="FR", pue=1.2), SiteFile(zone="DE")))


def test_a_request_is_checked_where_it_is_made_and_where_it_is_read():
    with pytest.raises(UnknownName, match=r"no method 'strubel'.*choose from strubell2019"):
        ask(methods=("strubel",))
    with pytest.raises(InvalidSite, match="PUE"):
        ask("FR", 0.5)
    with pytest.raises(InvalidSite, match="PUE"):
        Request.model_validate_json('{"sites": [{"zone": "FR", "pue": 0.5}]}').places()
    with pytest.raises(InvalidSite, match="not all of them say where they are"):
        ask(sites=(SiteFile(), SiteFile(zone="FR")))
