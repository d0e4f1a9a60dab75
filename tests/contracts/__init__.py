"""What every implementation of a protocol must pass: one test class per protocol."""

import pytest

pytest.register_assert_rewrite("tests.contracts.device", "tests.contracts.meter")
