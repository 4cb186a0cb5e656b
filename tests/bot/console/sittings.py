"""Custodians in a browser: they make their codes on their own page, and type them on the page of the backup."""

import hashlib
import re

from playwright.async_api import Locator, expect

from tests.bot.console.office import Office
from tests.bot.console.tabs import Tab

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"
NAMES = ("Notaría 7", "Órgano interno", "Archivo del Estado")


def code_of(secret: bytes) -> str:
    """How a secret stands on paper: with a check byte, five bits a letter, in groups of four."""
    raw = secret + hashlib.sha256(secret).digest()[:1]
    bits = "".join(f"{byte:08b}" for byte in raw) + "0"
    letters = [ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5)]
    return "-".join("".join(letters[at : at + 4]) for at in range(0, len(letters), 4))


async def make_code(tab: Tab, link: str) -> tuple[str, str]:
    """Follow a custodian's link to the end; return the code and the fingerprint that they read out."""
    page = tab.page
    await tab.go("/console/custodian#" + link.split("#")[1])
    await page.get_by_role("button", name="Crear mi código").click()
    await expect(page.locator("#paper-code")).to_contain_text("-")
    code = await page.locator("#paper-code").inner_text()
    await page.get_by_role("button", name="Ya lo guardé").click()
    await type_two_groups(tab, code)
    await page.get_by_role("button", name="Terminar").click()
    await expect(page.get_by_role("heading", name="Falta una llamada")).to_be_visible()
    return code, await page.locator("#own-fingerprint").inner_text()


async def type_two_groups(tab: Tab, code: str) -> None:
    """Type what the page asks for, in small letters."""
    for field in (0, 1):
        label = await tab.page.locator(f"#check-label-{field}").inner_text()
        line, group = map(int, re.findall(r"\d", label))
        await tab.page.locator(f"#check-{field}").fill(code.split("-")[(line - 1) * 4 + group - 1].lower())


async def meet(tab: Tab, office: Office) -> None:
    """Open the custodians' page by the address on their papers."""
    await tab.go(f"/console/recovery#u={office.trust.pin()}")
    await expect(tab.page.locator("#sitting")).to_be_visible()


def place_of(tab: Tab, name: str) -> Locator:
    """Where this custodian types."""
    return tab.page.locator(".code-form").filter(has=tab.page.get_by_label(f"Código de {name}"))


async def type_code(tab: Tab, name: str, code: str) -> None:
    await tab.page.get_by_label(f"Código de {name}").fill(code)
    await place_of(tab, name).get_by_role("button", name="Comprobar").click()


async def arrive(tab: Tab, name: str, code: str) -> None:
    """Type a right code."""
    await type_code(tab, name, code)
    await expect(tab.page.get_by_text(f"{name} está presente")).to_be_visible()
