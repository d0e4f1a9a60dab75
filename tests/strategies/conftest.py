import pytest

from tests.strategies import bench as small

pytest.register_assert_rewrite("tests.contracts.strategy")


@pytest.fixture
def bench(tmp_path):
    return small.bench(tmp_path)
