"""Helpers for tests of pages in a browser: accessibility checks with axe, fast key stretching, a fixed clock."""

from datetime import datetime
from pathlib import Path

from playwright.async_api import BrowserContext, Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
ROUNDS = 1000
"""Of PBKDF2, where tests need no more."""

CONTRAST = ("color-contrast",)
"""The only axe rules whose outcome depends on the colour scheme."""

FAST_KEY_STRETCHING = f"""
if (globalThis.SubtleCrypto) {{  // not on about:blank
  const original = SubtleCrypto.prototype.deriveBits;
  SubtleCrypto.prototype.deriveBits = function (algorithm, ...rest) {{
    const fast = algorithm.name === "PBKDF2" ? {{ ...algorithm, iterations: {ROUNDS} }} : algorithm;
    return original.call(this, fast, ...rest);
  }};
}}
"""


async def with_fast_key_stretching(context: BrowserContext) -> BrowserContext:
    """Let the context's pages use 1,000 rounds of PBKDF2 instead of 600,000; return the context.

    For tests that are not about the stretching. test_sealing_in_browser.py checks the real number of rounds; the canary
    test (tests/attack/test_wire.py) and the asker in tests/journeys/test_whole_loop.py run with it.
    """
    await context.add_init_script(FAST_KEY_STRETCHING)
    return context


async def with_clock(context: BrowserContext, now: datetime) -> BrowserContext:
    """Let the context's pages see this moment, as the server's clock stands still in tests; return the context."""
    await context.clock.set_fixed_time(now)
    return context


async def axe_violations(page: Page, *rules: str) -> list[tuple[str, list[str]]]:
    """Return each violated axe rule with its elements; checks all rules, or only those named."""
    await page.evaluate(AXE)
    result = await page.evaluate("(only) => axe.run(only.length ? { runOnly: only } : {})", list(rules))
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in result["violations"]]
