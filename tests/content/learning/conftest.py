"""The table of prices is computed once, before a test has a deadline."""

import pytest

from content.learning.cohort import PRIOR
from content.learning.prices import price_table


@pytest.fixture(scope="session", autouse=True)
def _table_of_prices() -> None:
    price_table(PRIOR, 4)
