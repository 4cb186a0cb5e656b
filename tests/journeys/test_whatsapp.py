"""User journeys particular to WhatsApp: reply window and templates, one message per step, receipts, limits."""

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import func, select

from content.library import Library
from storage.channels import channel_facts
from storage.people import addresses
from storage.schema import addresses as address_table
from storage.schema import answers, deliveries
from tests.cast import Clock
from tests.conftest import count_enrolled
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

OPTIONS = ["A", "B", "C"]
TAP = "Ver la pregunta"


@pytest.fixture
async def ana(product: Product) -> AsyncIterator[WhatsAppPhone]:
    """Ana's phone; at the end, WhatsApp must not have refused any request."""
    async with product.whatsapp() as phone:
        yield phone
        assert not product.meta.refusals


@pytest.fixture
async def direct(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[Product]:
    """A product that sends the scenario itself as a template (WHATSAPP_PROMPT=direct)."""
    async with running(sqlite_url, tmp_path, library, clock, whatsapp_prompt="direct") as product:
        yield product
        assert not product.meta.refusals


async def enrol(phone: WhatsAppPhone, code: str = "LEON", hour: str = "9:00") -> None:
    await phone.start(code)
    await phone.tap("Acepto")
    await phone.tap(hour)


async def count_states(product: Product) -> dict[str, int]:
    """The number of deliveries in each state."""
    async with product.app.database.read() as tx:
        rows = await tx.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state))
        return {row[0]: row[1] for row in rows}


def message_count(phone: WhatsAppPhone) -> int:
    return len(phone.messages())


# ---------------------------------------------------------------- one message per step


async def test_every_step_of_the_enrolment_is_one_message(ana: WhatsAppPhone) -> None:
    await ana.start("LEON")
    assert message_count(ana) == 1
    await ana.tap("Acepto")
    assert message_count(ana) == 2
    await ana.tap("9:00")
    assert message_count(ana) == 3
    assert "Municipio de León" in ana.messages()[-1]
    assert ana.buttons() == OPTIONS
    await ana.tap("B")
    assert message_count(ana) == 4
    assert "Qué hacer" in ana.messages()[-1]
    await ana.tap("Adiviné")
    assert ana.messages()[-1] == "Anotado: Adiviné"
    await ana.tap("Ver otras opciones")
    assert message_count(ana) == 6


async def test_a_self_assessment_uses_reply_buttons_throughout_and_ends_in_one_message(ana: WhatsAppPhone) -> None:
    await enrol(ana)
    await ana.type("Consulta")
    await ana.tap("Empezar")
    before = message_count(ana)
    for _ in range(14):
        if ana.buttons() != ["Sí", "No", "No sé"]:
            break
        await ana.tap("No sé")
    assert message_count(ana) - before <= 15
    assert ana.buttons()[0] == "Preguntar a UEIPCI"


async def test_commands_are_listed_as_words_and_recognized_in_any_spelling(ana: WhatsAppPhone) -> None:
    await enrol(ana)
    await ana.type("¡AYUDA!")
    help_text = ana.messages()[-1]
    assert "«hoy»" in help_text
    assert "«baja»" in help_text
    assert "/" not in help_text
    for word, expected in {
        "Pausa": "descansar",
        "MIS DATOS": "Lo que guardamos de ti",
        "mi avance": "Tu avance",
        "canal": "WhatsApp",
        "otras": "Ya respondiste",
        "¿Privacidad?": "Aviso de privacidad",
    }.items():
        await ana.type(word)
        assert expected in ana.messages()[-1] or word == "otras", word


@pytest.mark.parametrize("word", ["baja", "¡Alto!", "STOP", "salir", "Darme de baja", "cancelar", "unsubscribe"])
async def test_every_word_for_leaving_leads_to_the_removal(ana: WhatsAppPhone, product: Product, word: str) -> None:
    await enrol(ana)
    await ana.type(word)
    await ana.tap("Sí, darme de baja")
    async with product.app.database.read() as tx:
        assert await count_enrolled(tx) == 0
        assert await tx.scalar(select(func.count()).select_from(address_table)) == 0


async def test_a_long_text_is_not_stored_and_the_sender_is_asked_to_delete_it(ana: WhatsAppPhone) -> None:
    await enrol(ana)
    await ana.type("le cuento lo que pasa en mi oficina " * 20)
    assert "Bórralo tú de este chat" in ana.messages()[-1]
    assert ana.buttons() == ["Preguntar a UEIPCI"]


# ---------------------------------------------------------------- the reply window


async def test_outside_the_reply_window_a_template_is_sent_and_its_button_brings_the_scenario(
    ana: WhatsAppPhone, product: Product
) -> None:
    await enrol(ana)
    await ana.tap("A")
    before = message_count(ana)
    product.clock.move(days=1)
    assert await product.tick() == 1
    assert ana.buttons() == [TAP]
    await ana.tap(TAP)
    assert ana.buttons() == OPTIONS
    await ana.tap("A")
    assert message_count(ana) - before == 3


async def test_within_the_reply_window_the_scenario_is_sent_directly(ana: WhatsAppPhone, product: Product) -> None:
    await enrol(ana)
    product.clock.move(hours=2)
    await ana.tap("A")
    before = message_count(ana)
    product.clock.move(hours=22)  # Tuesday 9:00: 22 hours after the answer
    await product.tick()
    assert ana.buttons() == OPTIONS
    await ana.tap("C")
    assert message_count(ana) - before == 2


async def test_a_window_that_opens_while_the_prompt_waits_is_used(ana: WhatsAppPhone, product: Product) -> None:
    """The prompt is planned outside the reply window; Ana writes before it is sent."""
    await enrol(ana)
    product.clock.move(days=1)
    await product.app.scheduler.plan(product.clock())
    await ana.type("hola")
    assert [received.template for received in ana.person.read()].count("pregunta_diaria") == 0


async def test_in_direct_mode_the_scenario_itself_is_sent_as_a_template(direct: Product) -> None:
    async with direct.whatsapp() as ana:
        await enrol(ana)
        await ana.tap("A")
        before = message_count(ana)
        direct.clock.move(days=1)
        await direct.tick()
        assert ana.person.read()[-1].template == "pregunta_completa"
        assert ana.buttons() == OPTIONS
        await ana.tap("B")
        assert message_count(ana) - before == 2
        async with direct.app.database.read() as tx:
            assert await tx.scalar(select(func.count()).select_from(answers)) == 2


async def test_a_message_refused_as_outside_the_reply_window_is_replaced_by_a_template_at_once(
    product: Product,
) -> None:
    """A known issue of the Cloud API: it refuses some messages within the reply window."""
    async with product.whatsapp() as ana:
        await enrol(ana, hour="8:00")
        fault = product.meta.fail("messages", code=131047)
        product.clock.move(hours=23, minutes=30)  # Tuesday 8:30
        assert await product.tick() == 1
        assert fault.met.is_set()
        assert ana.buttons() == [TAP]
        assert (await count_states(product)).keys() == {"sent"}


async def test_a_prompt_that_meta_accepts_and_then_reports_as_outside_the_window_is_sent_as_a_template(
    product: Product,
) -> None:
    async with product.whatsapp() as ana:
        await enrol(ana)
        product.clock.move(hours=3)
        await ana.tap("A")
        product.clock.move(hours=21)
        await product.tick()
        assert ana.buttons() == OPTIONS
        await product.meta.report(ana.person.read()[-1], "failed", 131047)
        await product.settle()
        assert ana.buttons() == [TAP]
        assert (await count_states(product))["failed"] == 1


# ---------------------------------------------------------------- identity of a sender


async def test_a_user_whose_number_is_hidden_behind_a_username_can_do_everything(product: Product) -> None:
    async with product.whatsapp(has_username=True) as ana:
        await enrol(ana)
        await ana.tap("A")
        product.clock.move(days=1)
        await product.tick()
        await ana.tap(TAP)
        await ana.tap("A")
        assert "Qué hacer" in ana.messages()[-1]
        await ana.type("mis datos")
        assert "+52" not in ana.messages()[-1]
        assert not product.meta.refusals


async def test_a_user_who_changes_their_number_keeps_their_record(ana: WhatsAppPhone, product: Product) -> None:
    await enrol(ana)
    await ana.tap("A")
    ana.person.change_number("5214779990000", "MX.777")
    await product.settle()
    product.clock.move(days=1)
    await product.tick()
    await ana.tap(TAP)
    await ana.type("mi avance")
    assert "Respondiste 1" in ana.messages()[-1]
    await ana.type("mis datos")
    assert "+524779990000" in ana.messages()[-1]


async def test_a_user_with_a_hidden_number_whose_new_id_is_reported_twice_keeps_their_record(product: Product) -> None:
    async with product.whatsapp(has_username=True) as ana:
        await enrol(ana)
        ana.person.change_number("5214779990000", "MX.777", also_as_user_id_update=True)
        await product.settle()
        await ana.type("mi avance")
        assert "Tu avance" in ana.messages()[-1]


async def test_a_phone_number_is_on_disk_only_in_the_address_and_gone_after_leaving(
    ana: WhatsAppPhone, product: Product, tmp_path: Path
) -> None:
    """The identifier of a message contains the phone number in base64: only its digest is stored."""
    await enrol(ana)
    await ana.tap("A")
    wamids = [received.wamid.encode() for received in ana.person.messages]
    await product.app.database.checkpoint_wal()
    disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [wamid for wamid in wamids if wamid in disk]
    await ana.type("baja")
    await ana.tap("Sí, darme de baja")
    product.clock.move(days=9)
    await product.tick()
    disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert ana.person.phone[-10:].encode() not in disk


async def test_the_new_owner_of_a_number_sees_nothing_of_its_previous_owner(
    ana: WhatsAppPhone, product: Product
) -> None:
    await enrol(ana)
    beto = product.meta.person(ana.person.phone, "MX.4242")
    async with WhatsAppPhone(product.meta, product.settle, beto) as phone:
        await phone.type("mis datos")
        assert phone.messages()[-1] == "No tienes registro. De los mensajes de este chat queda la dirección ocho días."


async def test_a_user_known_by_number_is_recognized_when_their_id_appears_later(product: Product) -> None:
    person = product.meta.person("5214771000009", "")
    async with WhatsAppPhone(product.meta, product.settle, person) as phone:
        await enrol(phone)
        person.user_id = "MX.55"
        await phone.type("mis datos")
        assert "Municipio de León" in phone.messages()[-1]
        person.phone = "524771000009"  # without the 1 that Mexican mobile numbers used to have
        await phone.type("mis datos")
        assert "Municipio de León" in phone.messages()[-1]
    async with product.app.database.read() as tx:
        (address,) = await addresses.of_servant(tx, 1)
    assert (address.address, address.alias) == ("MX.55", "+524771000009")


# ---------------------------------------------------------------- receipts


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "read"))), ids="-".join)
async def test_receipts_may_arrive_in_any_order_days_late_and_twice(
    ana: WhatsAppPhone, product: Product, order: tuple[str, ...]
) -> None:
    await ana.start("LEON")
    received = ana.person.read()[-1]
    product.clock.move(days=6)
    for status in order:
        await product.meta.report(received, status)
        await product.meta.report(received, status)
    await product.settle()
    async with product.app.database.read() as tx:
        row = (await tx.execute(select(deliveries).where(deliveries.c.kind == "reply"))).one()
    assert (row.state, row.platform_status, row.platform_ref) == ("sent", "read", None)


async def test_a_receipt_settles_a_doubted_delivery_and_nothing_is_sent_twice(product: Product) -> None:
    async with product.whatsapp() as ana:
        await enrol(ana)
        await ana.tap("A")
        product.clock.move(days=1)
        product.meta.fail("messages", reset=True, done=True)
        await product.tick()
        assert (await count_states(product))["doubted"] == 1
        await product.meta.report(ana.person.read()[-1], "delivered")
        await product.settle()
        assert (await count_states(product)).keys() == {"sent"}
        product.clock.move(hours=1)
        await product.tick()
        assert [received.template for received in ana.person.read()].count("pregunta_diaria") == 1


async def test_a_reply_whose_response_was_lost_is_not_repeated_after_a_receipt(product: Product) -> None:
    async with product.whatsapp() as ana:
        product.meta.fail("messages", reset=True, done=True)
        await ana.start("LEON")
        await product.meta.report(ana.person.read()[-1], "sent")
        await product.settle()
        product.clock.move(minutes=1)
        await product.settle()
        assert message_count(ana) == 1


async def test_updates_in_batches_and_repeated_three_times_are_handled_once(product: Product) -> None:
    async with product.whatsapp() as ana:
        await enrol(ana)
        ana.person.press("A")
        ana.person.press("B")
        ana.person.say("mi avance")
        assert set(await product.meta.deliver(product.address, batch=True, copies=3)) == {200}
        await product.settle()
        async with product.app.database.read() as tx:
            (answer,) = await tx.execute(select(answers.c.option))
        assert answer.option == "a"
        assert "Respondiste 1" in ana.messages()[-1]


# ---------------------------------------------------------------- limits, templates, refusals


async def test_recipients_beyond_the_platforms_daily_limit_are_deferred_and_come_first_the_next_day(
    product: Product,
) -> None:
    product.meta.set_messaging_limit(2)
    phones = [product.whatsapp(1001 + index) for index in range(4)]
    for phone in phones:
        await enrol(phone)
    product.clock.move(days=1)
    assert await product.tick() == 2
    assert [phone.buttons() for phone in phones] == [[TAP], [TAP], OPTIONS, OPTIONS]
    async with product.app.database.read() as tx:
        assert await addresses.count_deferred(tx, "whatsapp") == 2
    product.clock.move(days=1)
    assert await product.tick() == 2
    assert [phone.buttons() for phone in phones] == [[TAP]] * 4
    assert not product.meta.refusals
    product.meta.set_messaging_limit(None)
    await product.settle()
    assert await product.tick() == 2


async def test_prompts_wait_for_a_paused_template_and_are_sent_when_it_is_approved_again(
    ana: WhatsAppPhone, product: Product
) -> None:
    await enrol(ana)
    product.clock.move(days=1)
    product.meta.pause("pregunta_diaria", "es_MX")
    await product.settle()
    assert await product.tick() == 0
    async with product.app.database.read() as tx:
        assert (await channel_facts.templates(tx, "whatsapp"))["pregunta_diaria", "es_MX"].is_stopped
    product.clock.move(hours=2)
    product.meta.approve("pregunta_diaria", "es_MX")
    await product.settle()
    assert await product.tick() == 1
    assert ana.buttons() == [TAP]


async def test_after_meta_refuses_a_template_the_other_prompts_wait_for_it(product: Product) -> None:
    phones = [product.whatsapp(1001 + index) for index in range(3)]
    for phone in phones:
        await enrol(phone)
    product.clock.move(days=1)
    calls = len(product.meta.calls)
    product.meta.templates.change("pregunta_diaria", "es_MX", "PAUSED")
    product.meta.pending.clear()  # the webhook about the pause is lost
    await product.tick()
    assert len(product.meta.calls) - calls <= 3
    assert (await count_states(product))["waiting"] == 3
    product.meta.approve("pregunta_diaria", "es_MX")
    product.clock.move(minutes=16)
    await product.tick()
    assert [phone.buttons() for phone in phones] == [[TAP]] * 3


async def test_an_invalid_token_stops_the_channel_and_nothing_is_lost(product: Product) -> None:
    async with product.whatsapp() as ana:
        product.meta.fail("messages", code=190, times=1)
        await ana.start("LEON")
        async with product.app.database.read() as tx:
            assert await channel_facts.stopped(tx) == {"whatsapp": "code 190"}
        assert message_count(ana) == 0
        await product.app.dispatcher.resume("whatsapp")
        product.clock.move(minutes=6)
        await product.settle()
        assert message_count(ana) == 1


async def test_a_user_who_left_whatsapp_gets_no_prompts_until_they_return(product: Product) -> None:
    async with product.whatsapp() as ana:
        await enrol(ana)
        ana.person.has_left = True
        planned = []
        for _ in range(10):  # Tuesday to Thursday of the next week
            product.clock.move(days=1)
            planned.append(await product.tick())
        assert planned == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0], "tried again after 1, 2 and 4 days"
        ana.person.has_left = False
        await ana.type("hoy")
        assert ana.buttons() == OPTIONS


async def test_fourteen_quick_answers_stay_within_the_pair_rate_limit(ana: WhatsAppPhone) -> None:
    await enrol(ana)
    await ana.type("consulta")
    await ana.tap("Empezar")
    for _ in range(14):
        if ana.buttons() == ["Sí", "No", "No sé"]:
            await ana.tap("No")
    assert ana.buttons()


# ---------------------------------------------------------------- two channels


async def test_two_linked_channels_share_one_record_and_prompts_go_to_the_chosen_one(product: Product) -> None:
    async with product.telegram() as telegram, product.whatsapp() as whatsapp:
        await telegram.start("LEON")
        await telegram.tap("Acepto")
        await telegram.tap("9:00")
        await telegram.tap("A")
        await telegram.type("/canal")
        await telegram.tap("Pedir código")
        code = telegram.messages()[-1].rpartition(" ")[2]
        await whatsapp.type(f"Canal {code}")
        assert "WhatsApp quedó unido" in whatsapp.messages()[-1]
        assert "Se unió WhatsApp" in telegram.messages()[-1]
        await whatsapp.type("mi avance")
        assert "Respondiste 1" in whatsapp.messages()[-1]
        await whatsapp.type("canal")
        await whatsapp.tap("A WhatsApp")
        product.clock.move(days=1)
        before = len(telegram.messages())
        assert await product.tick() == 1
        assert whatsapp.buttons() == [TAP]
        assert len(telegram.messages()) == before
        assert not product.meta.refusals
