"""What one answer costs in statements: counted, so that the road everybody takes cannot rot unseen."""

from bot.channels.telegram import receiver as telegram_receiver
from tests.channels_of import telegram_of
from tests.product import Product
from tests.statement_log import listening

ANSWER = 10
"""Statements that an answer may cost alone: stored; taken, known, its prompt, recorded, the competency's answers,
remembered, said, finished; and a look that finds nothing more."""
MORE = 0
"""Statements that each further answer of the same batch may cost: they are for all of them."""


class Count:
    """Statements, without transactions' own."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def note(self, *arguments: object) -> None:
        statement = str(arguments[2]).split("\n")[0][:90]
        if not statement.startswith("BEGIN"):
            self.statements.append(statement)


async def _answering(product: Product, people: int, first: int = 300_000) -> Count:
    phones = [product.telegram(first + number) for number in range(people)]
    for phone in phones:
        await phone.start("LEON")
        await phone.tap("Acepto")
        await phone.tap("9:00")
    count = Count()
    with listening(product.app.database, count.note):
        for phone in phones:
            phone.person.press("A")
        batch = await telegram_of(product.app).fetch(product._offset, seconds=0)
        await telegram_receiver.keep_all(batch, telegram_of(product.app), product.app.inbox)
        await product.app.update_worker.drain()
    return count


async def test_an_answer_costs_no_more_statements_than_said(product: Product) -> None:
    count = await _answering(product, 1)
    assert len(count.statements) <= ANSWER, count.statements


async def test_answers_that_come_together_share_what_they_can(product: Product) -> None:
    one, many = await _answering(product, 1), await _answering(product, 8, 400_000)
    assert len(many.statements) - len(one.statements) <= 7 * MORE, many.statements
