"""A tiny course, and scenarios with difficult characters, which export and import must preserve."""

from collections.abc import Sequence
from datetime import date
from itertools import cycle, islice
from typing import Any, cast

from hypothesis import strategies as st

from content import phrases
from content.course.law import Article, Citation
from content.course.scenario import Scenario
from content.course.topic import Competency, Topic
from content.exchange.changeset import ParsedFile, compare, validate
from content.library import SHIPPED, Library
from content.text import Text

COMPETENCIES = ("excusa-por-escrito", "007", "regalos")
ARTICLES = ("lgra-58", "0012", "7")
DIFFICULT = (
    *(
        "=",
        "=1+1",
        "+5",
        "-3",
        "@a",
        "'",
        "'=x",
        "007",
        "1e5",
        ",",
        ";",
        "\\",
        "\\n",
        "\\\\",
        "\\:",
        "\\u0041",
        '"',
        '"""',
    ),
    *(
        "#",
        "####",
        "~",
        "{",
        "}",
        "{x}",
        ":",
        "::",
        "//",
        "->",
        "%50%",
        "[html]",
        "[plain]",
        "[x]",
        "$CATEGORY:",
        "&&058;",
    ),
    *(
        "<b>",
        "&amp;",
        "_x0041_",
        "_x000D_",
        "TRUE",
        "2026",
        "¿qué?",
        "ñ",
        "😀",
        "👩🏽‍⚖️",
        "e\u0301",
        "\x00",
        "\x07",
        "\x7f",
        "\ufeff",
        "a",
    ),
)
SEPARATORS = (" ", " ", " ", "\n", "\r\n", "\r", "\t", "   ", "\n\n", "\u2028", "\u00a0", "\x85")
SUPPORTED = st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff")
"""Every character except two that spreadsheets cannot hold."""


PHRASES = phrases.load(SHIPPED / "messages", SHIPPED, [])
PIECES = tuple(word + blank for word in DIFFICULT for blank in SEPARATORS)


class Source:
    """Generates texts from a cycle of difficult pieces, each text starting at the next piece."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = cycle(pieces)

    def both(self, count: int) -> dict[str, str]:
        return {language: "".join(islice(self._pieces, count)).strip() for language in ("es", "en")}


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """A valid scenario of the tiny course."""
    source = Source(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=24)))
    right, count = draw(st.sampled_from(((0, 3), (1, 3), (2, 3), (0, 4), (3, 4))))
    cited = draw(st.lists(st.sampled_from(ARTICLES), min_size=1, max_size=3))
    return Scenario.model_validate(
        {
            "id": draw(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)),
            "competency": draw(st.sampled_from(COMPETENCIES)),
            "variant": draw(st.integers(1, 99)),
            "roles": draw(
                st.lists(st.sampled_from(("compras", "recursos-humanos", "general")), min_size=1, max_size=3)
            ),
            "state": draw(st.sampled_from(("draft", "reviewed", "published", "retired"))),
            "author": "x" + draw(st.text(SUPPORTED, max_size=70)),
            "reviewer": draw(st.text(SUPPORTED, max_size=80) | st.sampled_from(PIECES)),
            "reviewed_on": draw(st.dates()),
            "situation": source.both(41),
            "options": [
                {
                    "right": place == right,
                    "articles": cited[place % len(cited) :] or cited,
                    "text": source.both(5),
                    "why": source.both(21),
                }
                for place in range(count)
            ],
            "todo": source.both(7),
        }
    )


def banks(max_size: int = 3) -> st.SearchStrategy[list[Scenario]]:
    """Scenarios with distinct ids and variants."""
    unique_by = (lambda one: one.id, lambda one: (one.competency, one.variant))
    return st.lists(scenarios(), min_size=1, max_size=max_size, unique_by=unique_by)


def text(words: str) -> dict[str, str]:
    return {"es": words, "en": words}


def plain(**changes: Any) -> Scenario:
    """An ordinary valid scenario."""
    situation = "Recibes hoy una caja y nadie te ve. " * 5
    why = "La regla mira lo que pasa y no la prisa de nadie. " * 2
    return Scenario.model_validate(
        {
            "id": "caja",
            "competency": "regalos",
            "variant": 1,
            "roles": ("general",),
            "state": "published",
            "author": "Redacción del curso",
            "reviewer": "",
            "reviewed_on": date(2026, 11, 22),
            "situation": {"es": situation, "en": f"The box. {situation}"},
            "options": [
                {"right": place == 1, "articles": ("lgra-58",), "text": text(f"Opción {place}"), "why": text(why)}
                for place in range(3)
            ],
            "todo": text("Mira el hecho."),
        }
        | changes
    )


def tiny(bank: Sequence[Scenario]) -> Library:
    """A course with one topic, three competencies, three articles and these scenarios."""
    found = Text(es="Uno", en="One")
    competencies = tuple(
        Competency(id=one, rule=found, articles=("lgra-58",), level="aplica", roles=("general",))
        for one in COMPETENCIES
    )
    day = date(2026, 2, 8)
    articles = {}
    for one in ARTICLES:
        article = Article(id=one, article="58", mark="V", in_force=True, source="LGRA", title=found, summary=found)
        articles[one] = Citation(
            id=one, law=found, short="LGRA", article=article, text_version="DOF", checked_on=day, since=day
        )
    return Library(
        articles=articles,
        topics={"tema": Topic(id="tema", order=1, name=found, about=found, competencies=competencies)},
        scenarios={one.id: one for one in bank},
        assessment=cast(Any, None),
        phrases=PHRASES,
        institutions=(),
        faq=cast(Any, None),
    )


def parsed_scenarios(parsed: ParsedFile) -> list[Scenario]:
    """The scenarios of a file without errors."""
    assert parsed.errors == ()
    return [Scenario.model_validate(draft.values) for draft in parsed.drafts]


def error_lines(library: Library, parsed: ParsedFile) -> list[str]:
    """The errors of a file as shown to its author."""
    return parsed.error_lines(validate(library, parsed)[1])


def nothing_changes(library: Library, parsed: ParsedFile) -> bool:
    """Whether importing the file would change nothing; fails if it has errors."""
    found, errors = validate(library, parsed)
    assert errors == (), parsed.error_lines(errors)
    plan = compare(library, found)
    return not plan.written and plan.unchanged == len(library.scenarios)
