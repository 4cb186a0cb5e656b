"""What a servant can see and correct of their profile."""

from tests.cast import ANA
from tests.handlers.conversation import Talk, choices, text_of


async def test_the_profile_names_the_institution_and_the_hour(talk: Talk) -> None:
    await talk.enrol(ANA, hour=10)
    replies = await talk.command(ANA, "corregir")
    assert "Municipio de León" in text_of(replies)
    assert "10:00" in text_of(replies)
    assert choices(replies) == ["profile:hour"]
