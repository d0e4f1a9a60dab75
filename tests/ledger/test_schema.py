"""The line format is frozen: it changes with a new number and in no other way, and old ledgers stay readable."""

import json
import os
from pathlib import Path

import pytest

from carbon_nas.ledger import read_run
from carbon_nas.ledger.records import SCHEMA, Scope, event_adapter
from carbon_nas.ledger.verify import verify_chain

GOLDEN = Path(__file__).parents[1] / "golden"
REPORTS = Path(__file__).parents[2] / "reports"
# Kept reports that were recorded while that schema was the newest.
OLDER = [
    (schema, path)
    for schema, name in ((1, "digits-cpu"), (2, "digits-host"), (3, "digits-use"))
    for path in sorted((REPORTS / name / "ledger").glob("*.jsonl"))
]

CURE = (
    f"the line format of schema {SCHEMA} is frozen and has changed. Raise SCHEMA in carbon_nas/ledger/records.py, say "
    "in its docstring what is new, and see to it that older ledgers can be read; then write the new one down with "
    "CARBON_NAS_GOLDEN=write python -m pytest tests/ledger/test_schema.py"
)


def _plain(node: object) -> object:
    """Leave out words for people, which may change, and the order of what has none."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key != "description" or not isinstance(value, str)}
        return {key: sorted(value) if key == "required" else _plain(value) for key, value in kept.items()}
    return [_plain(part) for part in node] if isinstance(node, list) else node


def _schema() -> str:
    return json.dumps(_plain(event_adapter.json_schema()), indent=1, sort_keys=True) + "\n"


def test_the_line_format_is_the_frozen_one_or_its_number_is_raised() -> None:
    golden, text = GOLDEN / f"ledger-schema-{SCHEMA}.json", _schema()
    if os.environ.get("CARBON_NAS_GOLDEN") == "write" and not golden.exists():
        golden.write_text(text)
    assert golden.is_file(), CURE
    assert text == golden.read_text(), CURE


def test_every_kind_of_line_is_in_the_frozen_format() -> None:
    frozen = json.loads((GOLDEN / f"ledger-schema-{SCHEMA}.json").read_text())
    assert {"header", "phase_end", "window", "trace", "incident", "baseline", "cross_check"} <= set(
        frozen["discriminator"]["mapping"]
    )


@pytest.mark.parametrize(("schema", "path"), OLDER, ids=lambda part: getattr(part, "name", part))
def test_a_ledger_of_an_older_schema_still_reads_and_verifies(schema: int, path: Path) -> None:
    run, report = read_run(path), verify_chain(path)
    assert run.header.schema == schema
    assert report.difference is None
    assert report.head == run.head
    assert run.done
    assert all(None not in activity.energy_j.values() for activity in run.done.values())
    assert not any(activity.partial for activity in run.activities)
    assert run.saved == {}
    if schema < 3:
        assert all(activity.images is None and activity.scope is not Scope.USE for activity in run.done.values())


def test_there_are_ledgers_of_every_older_schema_to_try() -> None:
    assert {schema for schema, _ in OLDER} == set(range(1, SCHEMA))
