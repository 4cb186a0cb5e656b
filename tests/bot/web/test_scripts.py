"""A page's modules travel as one script, compressed once."""

import gzip
from pathlib import Path

import brotli
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer, make_mocked_request
from playwright.async_api import Browser

from bot.web import assets, scripts
from bot.web.compressed import Compressed
from bot.web.module_forms import UnknownForm
from bot.web.templating import STATIC

MODULES = {
    "entry.js": """
        // A comment with import { x } from "nowhere".
        import { double, ZERO as nothing } from "./sub/numbers.js";
        import * as texts from "./texts.js";
        globalThis.result = texts.say(double(21) + nothing);
    """,
    "texts.js": """
        import { double } from "./sub/numbers.js";
        import {
          ZERO,
          double as again,
        } from "./sub/numbers.js";
        export async function later() {}
        export function say(number) { return `=  ${number}, ${again(ZERO)}`; }
        export class Name {}
        const own = double(1);
        export { own };
    """,
    "sub/numbers.js": """
        const own = 2; // each module has names of its own
        export const ZERO = 0;
        export const double = (number) => own * number;
    """,
}


def written(folder: Path, **changed: str) -> Path:
    """The modules in a folder; the entry module."""
    for name, text in {**MODULES, **{f"{name}.js": text for name, text in changed.items()}}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    return folder / "entry.js"


async def test_the_joined_script_does_what_the_modules_do(tmp_path: Path, browser: Browser) -> None:
    page = await browser.new_page()
    await page.add_script_tag(content=scripts.joined(written(tmp_path)), type="module")
    assert await page.evaluate("globalThis.result") == "=  42, 0"
    await page.close()


def test_each_module_is_there_once_and_comments_are_not(tmp_path: Path) -> None:
    script = scripts.joined(written(tmp_path))
    assert script.count("own*number") == 1
    assert "comment" not in script
    assert "names of its own" not in script


def test_what_the_page_does_not_use_is_left_out(tmp_path: Path) -> None:
    script = scripts.joined(written(tmp_path))
    for unused in ("later", "Name", "double(1)"):
        assert unused not in script


USES = {
    "entry.js": """
        import * as numbers from "./numbers.js";
        import { shown as seen, unused } from "./texts.js";
        globalThis.result = [numbers.ONE, `${seen()}`, numbers.passed(numbers)];
    """,
    "texts.js": """
        import { TWO, NONE } from "./numbers.js";
        const log = [];
        export const shown = () => [...log, TWO, later()].join();
        export const unused = NONE + 1;
        function later() {
          return "later";
        }
        for (const text of ["ran"]) log.push(text);
        export { log, TWO };
    """,
    "numbers.js": """
        export const ONE = 1;
        export const TWO = 2;
        export const NONE = 0;
        export const passed = (whole) => Object.keys(whole).sort().join();
    """,
}


async def test_whatever_is_used_stays(tmp_path: Path, browser: Browser) -> None:
    """Through other names, in texts, after three dots, by statements, and of a module that is passed on as a whole."""
    for name, text in USES.items():
        (tmp_path / name).write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    script = scripts.joined(tmp_path / "entry.js")
    page = await browser.new_page()
    await page.add_script_tag(content=script, type="module")
    assert await page.evaluate("globalThis.result") == [1, "ran,2,later", "NONE,ONE,TWO,passed"]
    await page.close()
    assert "unused" not in script


@pytest.mark.parametrize(
    "line",
    [
        'import double from "./sub/numbers.js";',
        'import "./sub/numbers.js";',
        'export * from "./sub/numbers.js";',
        "export default 3;",
        "const here = import.meta.url;",
        'const more = await import("./sub/numbers.js");',
        'import { double } from "./sub/numbers.js"',
        "const say = `\nat the left margin`;",
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(UnknownForm, match=r"texts\.js: "):
        scripts.joined(written(tmp_path, texts=line))


def test_modules_in_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownForm, match="imports itself"):
        scripts.joined(written(tmp_path, texts='import { result } from "./entry.js";'))


def test_a_module_can_be_replaced_by_another_text(tmp_path: Path) -> None:
    entry = written(tmp_path)
    numbers = (tmp_path / "sub" / "numbers.js").resolve()
    changed = numbers.read_text().replace("own = 2", "own = 3")
    assert "own=3" in scripts.joined(entry, {numbers: changed})


@pytest.mark.parametrize("folder", ["letterbox", "console"])
def test_the_pages_of_this_product_can_be_joined(folder: str) -> None:
    assert len(scripts.of_page(folder).plain) < sum(len(file.read_bytes()) for file in STATIC.rglob("*.js"))


def test_the_letterbox_holds_nothing_of_officers_keys() -> None:
    script = scripts.of_page("letterbox").plain.decode()
    for name in ("sealLetter", "openLetter", "checkThread"):
        assert name in script
    for name in ("wrapOfficer", "openUnitKey", "checkNext", "checkPosted", "signList", "newRecoveryCode"):
        assert name not in script


# ---------------------------------------------------------------- compression

BODY = Compressed(b"the same words, the same words, the same words, the same words" * 20, "text/plain")


def answer(headers: dict[str, str], cache: str = "no-cache") -> web.Response:
    return BODY.response(make_mocked_request("GET", "/", headers=headers), {"Cache-Control": cache})


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("BR", "br"),
        ("br;q=0.0, gzip;q=0", None),
        ("identity", None),
        ("", None),
        ("*", None),
    ],
)
def test_the_smallest_encoding_that_the_browser_takes(accepted: str, encoding: str | None) -> None:
    response = answer({"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == encoding
    assert response.headers["Vary"] == "Accept-Encoding"
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert isinstance(response.body, bytes)
    assert unpack(response.body) == BODY.plain


def test_a_browser_that_has_it_gets_no_second_copy_unless_nothing_is_to_be_stored() -> None:
    tag = answer({}).headers["ETag"]
    assert answer({"If-None-Match": tag}).status == 304
    assert answer({"If-None-Match": f'W/{tag}, "x"'}).status == 304
    assert answer({"If-None-Match": '"x"'}).status == 200
    assert "ETag" not in answer({"If-None-Match": tag}, "no-store").headers


async def test_files_of_libraries_and_public_pages_are_served_and_their_licences_are_not() -> None:
    app = web.Application()
    for folder in ("public", "vendor"):
        assets.add_folder(app, folder)
    async with TestServer(app) as server, ClientSession() as browser:
        for path, (status, kind) in {
            "public/chat.css": (200, "text/css"),
            "public/mark.svg": (200, "image/svg+xml"),
            "vendor/htmx/htmx.min.js": (200, "text/javascript"),
            "vendor/htmx/LICENSE": (404, "text/plain"),
            "vendor/htmx": (404, "text/plain"),
            "public/../letterbox/page.js": (404, "text/plain"),
        }.items():
            async with browser.get(server.make_url(f"/static/{path}")) as response:
                assert (response.status, response.content_type) == (status, kind), path
