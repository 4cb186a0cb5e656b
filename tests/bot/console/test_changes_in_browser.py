"""What changed among the readers, told from the lists that the browser has verified, until it is acknowledged."""

from playwright.async_api import Browser, expect

from tests.bot.console.accounts import AccountHolder, enrol
from tests.bot.console.office import Office
from tests.bot.console.tabs import tab
from tests.fakes.unit import Keyholder


async def sign_custodians(office: Office) -> None:
    """Eva joins and leaves again; another recovery key, kept by three custodians, takes the place of the former one."""
    unit, eva, other = office.unit, Keyholder("Eva Sol"), Keyholder("Respaldo 2", "recovery")
    former = next(one for one in unit.readers if one.role == "recovery")
    for adding, ending in (([eva, other], [former]), ([], [eva])):
        keys = unit.next_keys(adding, ending)
        keys["custodians"] = ["Ana", "Beto", "Cora"]
        unit.lists.append(unit.sign(keys))
        unit.readers = [one for one in (*unit.readers, *adding) if one not in ending]
    async with office.database.write() as tx:
        await unit.publish(tx)


async def test_who_joined_who_left_and_new_custodians_are_named_until_they_were_read(
    browser: Browser, office: Office
) -> None:
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))
    async with tab(browser, office) as own:
        own.words, changes = carmen.words.text, own.page.locator("#changes")
        await own.sign_in(carmen.email)
        await expect(own.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await expect(changes).to_be_hidden()
        await sign_custodians(office)
        for _ in range(2):  # the tab was closed before they were read
            await own.sign_in(carmen.email)
            await expect(changes.locator("li")).to_have_text(
                [
                    "Eva Sol entró: se le sellan las consultas nuevas (lista 2).",
                    "Hay una llave de respaldo nueva (lista 2).",
                    "La llave de respaldo anterior ya no lee consultas nuevas (lista 2).",
                    "Eva Sol ya no lee consultas nuevas (lista 3).",
                    "El respaldo lo guardan ahora: Ana, Beto, Cora.",
                ]
            )
        await own.check_accessibility()
        await own.page.get_by_role("button", name="Entendido").click()
        await expect(changes).to_be_hidden()
        await own.sign_in(carmen.email)
        await expect(own.page.get_by_role("heading", name="Expedientes")).to_be_visible()
        await expect(changes).to_be_hidden()
        assert own.complaints == []
