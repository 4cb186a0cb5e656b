"""What every test of a page uses: axe, and words that are stretched in a moment."""

from pathlib import Path

from playwright.async_api import BrowserContext, Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
CONTRAST = ("color-contrast",)
"""The only rule of axe whose outcome depends on the colour scheme."""

FAST_KEY_STRETCHING = """
if (globalThis.SubtleCrypto) {  // not on about:blank
  const slow = SubtleCrypto.prototype.deriveBits;
  SubtleCrypto.prototype.deriveBits = function (how, ...rest) {
    return slow.call(this, how.name === "PBKDF2" ? { ...how, iterations: 1000 } : how, ...rest);
  };
}
"""


async def with_fast_key_stretching(context: BrowserContext) -> BrowserContext:
    """PBKDF2 with 1,000 rounds instead of 600,000 on the context's pages.

    For tests that are not about the stretching: its rounds are held by test_sealing_in_browser.py, and the canary
    and the asker of the whole loop run with them.
    """
    await context.add_init_script(FAST_KEY_STRETCHING)
    return context


async def axe_violations(page: Page, *rules: str) -> list[tuple[str, list[str]]]:
    """What axe finds wrong: each broken rule with its elements; all rules of axe, or only those named."""
    await page.evaluate(AXE)
    found = await page.evaluate("(only) => axe.run(only.length ? { runOnly: only } : {})", list(rules))
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
