"""Quality checks of intents: every example is recognized, no near miss is, and an example needs each pattern.

They run in `integra check` and in a test, not when the product starts, since they recognize every text of every file.
"""

from collections.abc import Iterator

from content.course.intents import Intent, Intents, pattern_sources
from content.problems import Problem
from content.text import LANGUAGES


def faults(recognizer: Intents) -> Iterator[Problem]:
    """Texts that are recognized as something else than their file says, and patterns that no example has."""
    for file, intent in recognizer.intents.items():
        used: set[str] = set()
        yield from _text_problems(file, intent, recognizer, used)
        for place, _, typed, _ in pattern_sources(intent):
            for language in LANGUAGES:
                fields = [f"{place}.{language}.{index}" for index in range(len(typed.in_language(language)))]
                yield from (
                    Problem(file, field, "no example has this pattern; add one, or remove the pattern")
                    for field in fields
                    if field not in used
                )


def _text_problems(file: str, intent: Intent, recognizer: Intents, used: set[str]) -> Iterator[Problem]:
    """Texts of a file that are not recognized as expected; the fields of the patterns that they have go to `used`."""
    for language in LANGUAGES:
        for name, typed in (("examples", intent.examples), ("near_misses", intent.near_misses)):
            for index, text in enumerate(typed.in_language(language)):
                field, found = f"{name}.{language}.{index}", set(recognizer.find(text))
                used |= {rule.field for rule in recognizer.matches(text) if rule.intent == intent.intent}
                if name == "near_misses" and intent.intent in found:
                    yield Problem(file, field, f"recognized as {intent.intent!r} (text: {text!r})")
                if name == "examples" and found != {intent.intent}:
                    seen = ", ".join(sorted(found)) or "nothing"
                    yield Problem(file, field, f"expected {intent.intent!r} alone (text: {text!r}; seen: {seen})")
