"""What the browser's scripts do beside the protocol's vectors: HPKE by RFC 9180, drawn words, recovery codes."""

import hashlib
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import Browser, Page

from bot.web.templating import STATIC
from storage.confidential.protocol import boxes
from storage.confidential.protocol.boxes import normalise
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.fields import CURVE
from storage.confidential.protocol.signatures import export_key
from tests.bot.web.test_protocol_in_browser import ORIGIN, answer
from tests.fakes.unit import new_id, new_key

SOME_WORDS = ("ábaco", "camino", "lápiz", "niño", "perro", "raíz", "rubí", "zurdo")
# RFC 9180, A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode; the first encryption.
RFC = {
    "info": "4f6465206f6e2061204772656369616e2055726e",
    "skEm": "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
    "skRm": "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
    "pkEm": "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be"
    "863c403ce65c9bfcb9382657222d18c4",
    "pkRm": "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30a"
    "d6aa8f80e30f1d128aafd68a2ce72ea0",
    "aad": "436f756e742d30",
    "pt": "4265617574792069732074727574682c20747275746820626561757479",
    "ct": "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434",
}


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a secure origin that can import the scripts."""
    page = await browser.new_page()
    await page.route("**/*", answer)
    await page.goto(ORIGIN + "/")
    yield page
    await page.close()


async def run(page: Page, script: str, argument: object = None) -> Any:
    """Run a script with the modules `w` (words), `l` (wordlist), `b` (boxes), `s` (signatures), `h` (hpke), `e`
    (encoding) and the argument `x`."""
    names = ("words", "wordlist", "boxes", "signatures", "hpke", "encoding")
    imports = ", ".join(f'import("/static/sealing/{name}.js")' for name in names)
    return await page.evaluate(
        f"async (x) => {{ const [w, l, b, s, h, e] = await Promise.all([{imports}]); {script} }}", argument
    )


# ---------------------------------------------------------------- HPKE


async def test_hpke_matches_the_test_vectors_of_the_rfc(page: Page) -> None:
    keys = {name: export_key(ec.derive_private_key(int(RFC[name], 16), CURVE)) for name in ("skEm", "skRm")}
    script = """
      const bytes = (hex) => Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
      const key = async (name) => (await s.importReadingKey(x.keys[name])).privateKey;
      const options = { aead: 1, aad: bytes(x.rfc.aad) };
      const ephemeral = { privateKey: await key("skEm"), publicKey: bytes(x.rfc.pkEm) };
      const sealed = await h.seal(bytes(x.rfc.pkRm), bytes(x.rfc.info), bytes(x.rfc.pt), { ...options, ephemeral });
      const reader = { privateKey: await key("skRm"), publicKey: bytes(x.rfc.pkRm) };
      const opened = await h.open(reader, bytes(x.rfc.info), bytes(x.rfc.pkEm + x.rfc.ct), options);
      return [e.hex(sealed), e.hex(opened)];
    """
    sealed, opened = await run(page, script, {"rfc": RFC, "keys": keys})
    assert sealed == RFC["pkEm"] + RFC["ct"]
    assert opened == RFC["pt"]


async def test_keys_in_use_cannot_be_taken_out_of_the_browser(page: Page) -> None:
    script = """
      const pairs = [await s.newReadingPair(), await s.newSigningPair(), await s.importReadingKey(x)];
      const secret = await b.askerSecret("abeja", 1);
      return [...pairs.map(({ privateKey }) => privateKey), secret, await b.deriveKey(secret, "asker-wrap")]
        .map(({ extractable }) => extractable);
    """
    assert await run(page, script, export_key(new_key())) == [False] * 5


# ---------------------------------------------------------------- words and codes


async def test_the_words_yield_the_same_secrets_in_python(page: Page) -> None:
    """Stretched as often as for people: elsewhere tests may use fewer rounds."""
    script = """
      const secret = await b.askerSecret(x);
      const locator = e.b64(await b.derive(secret, "locator"));
      return [locator, await w.locatorHash(locator), e.b64(await b.derive(secret, "asker-wrap"))];
    """
    typed = "  " + "  ".join(unicodedata.normalize("NFC", word).upper() for word in SOME_WORDS) + ".\n"
    secret = boxes.asker_secret(" ".join(SOME_WORDS), 600_000)
    locator = boxes.derive(secret, "locator")
    assert await run(page, script, typed) == [
        encode(locator),
        hashlib.sha256(locator).hexdigest(),
        encode(boxes.derive(secret, "asker-wrap")),
    ]


async def test_an_officers_bundles_open_with_passphrase_and_recovery_code(page: Page) -> None:
    script = """
      const words = w.drawWords(7).join(" "), salt = w.random(16), code = await w.newRecoveryCode();
      const secret = await b.stretch(words, salt, 10);
      const { pkcs8: reading, point: unit } = await s.newReadingPair(), { pkcs8: signing } = await s.newSigningPair();
      const inside = { v: 2, id: x.id, reading, signing, notebook: e.b64(w.random(32)), unit };
      const byWords = await b.wrapOfficer(await b.deriveKey(secret, "wrap"), inside, "words");
      const byCode = await b.wrapOfficer(await b.deriveKey(await w.codeSecret(code), "recovery"), inside, "code");
      const typed = await w.codeSecret(code.toLowerCase().replaceAll("-", " "));
      const opened = await b.unwrapOfficer(await b.deriveKey(typed, "recovery"), byCode, x.id, "code");
      const again = await b.stretch(words.toUpperCase(), salt, 10);
      return { words, salt: e.b64(salt), byWords, inside, opened, auth: e.b64(await b.derive(again, "auth")) };
    """
    own = new_id()
    made = await run(page, script, {"id": own})
    assert made["opened"] == made["inside"]
    secret = boxes.stretch(made["words"], decode(made["salt"]), 10)
    assert made["auth"] == encode(boxes.derive(secret, "auth"))
    key = boxes.derive(secret, "wrap")
    assert boxes.unwrap_officer(key, made["byWords"], own, "words") == made["inside"]


async def test_a_mistyped_recovery_code_is_detected(page: Page) -> None:
    script = """
      const code = await w.newRecoveryCode();
      const wrong = (code[0] === "A" ? "B" : "A") + code.slice(1);
      const refused = (typed) => w.codeSecret(typed).then(() => false, ({ kind }) => kind === "altered");
      return Promise.all([wrong, code.slice(1), code + "A", "", "ñ", code].map(refused));
    """
    refused = await run(page, script)
    assert refused[1:] == [True] * 4 + [False]
    assert refused[0] is True or refused[0] is False  # the check is one byte: a wrong letter passes once in 256 times


async def test_the_words_are_those_of_the_licence_and_known_as_people_type_them(page: Page) -> None:
    words = await run(page, "return l.WORDS")
    digest = hashlib.sha256("".join(f"{word}\n" for word in words).encode()).hexdigest()
    assert digest in (STATIC / "sealing" / "WORDS-LICENSE.txt").read_text("utf-8")
    assert len(set(words)) == 2048
    assert await run(page, "return [...w.knownWords].sort()") == sorted({normalise(word) for word in words})


async def test_words_are_drawn_from_the_whole_list(page: Page) -> None:
    listed = [unicodedata.normalize("NFC", word) for word in await run(page, "return l.WORDS")]
    drawn = [listed.index(word) for word in await run(page, "return w.drawWords(4000)")]
    assert min(drawn) < 50
    assert max(drawn) > 2000
