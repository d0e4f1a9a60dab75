"""What the README says about sites and about the literature is what the program does."""

import re
from pathlib import Path

import pytest

from carbon_nas.accounting import read_site_file
from carbon_nas.comparison.published import recompute, strubell2019
from carbon_nas.ledger import read
from carbon_nas.references import REFERENCES, checks
from carbon_nas.reporting import ask
from carbon_nas.reporting.report import derive

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_site_file_of_the_readme_is_one_and_can_be_applied(tmp_path: Path) -> None:
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "pue" in block]
    path = tmp_path / "site.toml"
    path.write_text(example)
    runs = read(REPOSITORY / "reports" / "digits-host" / "ledger")
    findings, document = derive(runs, ask(sites=[read_site_file(path)], methods=["strubell2019", "sci"]))
    assert {view.key for view in findings.comparison.views} == {"location", "market", "embodied"}
    assert all(cost.result.mass_kg is not None for cost in findings.methods)
    assert "Our cluster: France" in document.verdict[0]


def test_the_numbers_of_the_register_are_those_in_the_readme() -> None:
    found = checks()
    assert f"holds {len(REFERENCES)} published numbers" in README
    assert f"The {len(found)} that print\ntheir inputs" in README
    assert sum(not one.agrees for one in found) == 5
    assert "the five that do not follow are known errata" in README


@pytest.mark.parametrize(
    ("rival", "words"),
    [
        ("ProxylessNAS", "ProxylessNAS at N* = {}"),
        ("FBNet-C", "FBNet at {}"),
        ("MobileNetV3-Large", "MobileNetV3 at {}"),
        ("MobileNetV2", "MobileNetV2 at {}"),
    ],
)
def test_the_break_evens_of_the_readme_come_out_of_the_register(rival: str, words: str) -> None:
    (row,) = [one for one in recompute(strubell2019()).against_upfront if one.rival == rival]
    crossing = next(iter(row.crossings.values()))
    assert words.format(f"{crossing.n_ratio:.2f}") in " ".join(README.split())
