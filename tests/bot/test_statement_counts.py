"""Count the statements of one answer, so that the most frequent path cannot become slower unnoticed."""

from bot.channels.telegram import receiver as telegram_receiver
from tests.channels_of import telegram_of
from tests.product import Product
from tests.statement_log import statement_listener

ANSWER = 13
"""Statements that a single answer may cost: store the update and see that it was not handled before; claim it, find the
servant, find the prompt, look when the competency was answered last, record the answer, read the competency's answers,
update the memory, add the reply, keep the update's key and delete its row; and a last empty claim."""
MORE = 0
"""Statements that each further answer of the same batch may cost: the others are for all answers of the batch."""


class Count:
    """Statements, without those that begin a transaction."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def record(self, *arguments: object) -> None:
        statement = str(arguments[2]).split("\n")[0][:90]
        if not statement.startswith("BEGIN"):
            self.statements.append(statement)


async def _count_answers(product: Product, servants: int, first: int = 300_000) -> Count:
    phones = [product.telegram(first + number) for number in range(servants)]
    for phone in phones:
        await phone.start("LEON")
        await phone.tap("Acepto")
        await phone.tap("9:00")
    count = Count()
    with statement_listener(product.app.database, count.record):
        for phone in phones:
            phone.person.press("A")
        batch = await telegram_of(product.app).fetch(product._offset, seconds=0)
        await telegram_receiver.parse_and_store(batch, telegram_of(product.app), product.app.inbox)
        await product.app.update_worker.drain()
    return count


async def test_a_single_answer_stays_within_its_number_of_statements(product: Product) -> None:
    count = await _count_answers(product, 1)
    assert len(count.statements) <= ANSWER, count.statements


async def test_answers_of_one_batch_share_their_statements(product: Product) -> None:
    single, batch = await _count_answers(product, 1), await _count_answers(product, 8, 400_000)
    assert len(batch.statements) - len(single.statements) <= 7 * MORE, batch.statements
