"""The reason for which a channel is stopped: an error code is read as it was written, any other text is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.stop_reason import code_in, code_reason


@given(st.integers(min_value=0))
def test_a_code_is_read_as_it_was_written(code: int) -> None:
    assert code_in(code_reason(code)) == code


def test_a_code_keeps_its_text_since_reasons_are_stored() -> None:
    assert code_reason(190) == "code 190"


@pytest.mark.parametrize("reason", ["", "code", "code ", "code x", "code 190 ", "a code 190", "code -1", "code \u0661"])
def test_another_reason_has_no_code(reason: str) -> None:
    assert code_in(reason) is None
