import pytest

from tests.study.bench import copied, run, tiny_study

SCENARIOS = ("eager-b1", "folded-b1", "eager-b32")


@pytest.fixture(scope="session")
def one_scenario(tmp_path_factory):
    """A finished study of one scenario and one seed; look, do not touch."""
    return run(tmp_path_factory.mktemp("one"), tiny_study("eager-b1"))


@pytest.fixture(scope="session")
def three_scenarios(tmp_path_factory):
    """A finished study of three scenarios and one seed; look, do not touch."""
    return run(tmp_path_factory.mktemp("three"), tiny_study(*SCENARIOS))


@pytest.fixture
def finished(one_scenario, tmp_path):
    """A copy of the finished study of one scenario, to do with what one likes."""
    return copied(one_scenario, tmp_path / "finished")
