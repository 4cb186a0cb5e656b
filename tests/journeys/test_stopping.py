"""User journeys of asking to stop in one's own words, on every channel: one confirmation, then a choice."""

import pytest

from tests.conftest import count_enrolled
from tests.journeys.test_first_days import Phone, _enrol
from tests.product import Product

TEXTS = ("Stop. Gracias", "ya no quiero recibir mensajes", "quiero darme de baja")


@pytest.mark.parametrize("channel", ["webchat", "telegram", "whatsapp"])
async def test_people_stop_in_their_own_words_by_one_confirmation(product: Product, channel: str) -> None:
    channel_phone: Phone = getattr(product, channel)()
    async with channel_phone as ana:
        await _enrol(ana)
        for text in TEXTS:
            await ana.type(text)
            assert "¿Quieres darte de baja?" in ana.messages()[-1]
            assert ana.buttons() == ["Sí, darme de baja", "No, me quedo", "Mejor una pausa"]
            await ana.tap("No, me quedo")
            assert "Sigues en el curso" in ana.messages()[-1]
            assert await _enrolled(product) == 1
        for text in TEXTS:
            await ana.type(text)
            await ana.tap("Sí, darme de baja")
            assert "borramos lo que te identificaba" in ana.messages()[-1]
            assert await _enrolled(product) == 0
            await ana.type(text)
            assert "no está registrado en el curso" in ana.messages()[-1]
            await _enrol(ana)
    assert not product.fake_telegram.refusals
    assert not product.meta.refusals


async def _enrolled(product: Product) -> int:
    async with product.app.database.read() as tx:
        return await count_enrolled(tx)
