"""Checks of the whole scenario bank: a good bank passes, each broken rule is reported, the shipped bank is good."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.course.scenario import Scenario
from content.library import Library
from content.quality import bank_checks
from content.quality.bank_checks import chi_square_tail, faults, tail_probability
from content.quality.style_rules import Wording, shipped_wording
from tests.content.quality import bank

pytestmark = pytest.mark.slow

Change = Callable[[Scenario], Scenario]


@pytest.fixture(scope="module")
def good(library: Library) -> Library:
    return bank.good(library)


def problem_lines(library: Library) -> list[str]:
    return [str(problem) for problem in faults(library)]


def with_all_changed(good: Library, change: Change) -> Library:
    return bank.with_changes(good, *map(change, good.scenarios.values()))


def altered(scenario: Scenario, **fields: Any) -> Scenario:
    """A copy that skips the loader's validation."""
    return scenario.model_copy(update=fields)


def texts(scenario: Scenario, rewrite: Callable[[bool, str], str], language: str = "es") -> Scenario:
    """A copy with rewritten option texts; `rewrite` gets whether the option is right, and its text."""
    options = tuple(
        one.model_copy(
            update={"text": one.text.model_copy(update={language: rewrite(one.right, one.text.in_language(language))})}
        )
        for one in scenario.options
    )
    return altered(scenario, options=options)


def test_a_good_bank_has_no_problems(good: Library) -> None:
    assert problem_lines(good) == []


def test_the_shipped_bank_has_no_problems(library: Library) -> None:
    assert problem_lines(library) == []


# ---------------------------------------------------------------- positions and lengths


def test_a_right_option_that_is_always_first_is_reported(good: Library) -> None:
    def first(one: Scenario) -> Scenario:
        return altered(one, options=tuple(sorted(one.options, key=lambda option: not option.right)))

    (line,) = problem_lines(with_all_changed(good, first))
    assert line.startswith("scenarios: options: the right option is unevenly placed (seen: A 96, B 0, C 0; p = 0.000)")
    assert line.endswith("expected about A 32, B 32, C 32")


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(
    ("name", "rewrite"),
    [
        ("longest", lambda right, text: text + ("." * 30 if right else "")),
        ("shortest", lambda right, text: text + ("" if right else "." * 30)),
    ],
)
def test_a_right_option_that_differs_in_length_is_reported(
    good: Library, language: str, name: str, rewrite: Callable[[bool, str], str]
) -> None:
    lines = problem_lines(with_all_changed(good, lambda one: texts(one, rewrite, language)))
    assert lines == [
        f"scenarios: options.text.{language}: the right option is the {name} too often (seen: 96 of 96); "
        "expected at most 40"
    ]


def test_a_small_bank_is_not_tested_for_positions_and_lengths(good: Library) -> None:
    few = [one for one in good.scenarios.values() if one.right_letter == "a"][: bank_checks.MIN_SAMPLE - 1]
    lines = problem_lines(replace(good, scenarios={one.id: one for one in few}))
    assert not [line for line in lines if line.startswith("scenarios:")]


def test_drafts_are_not_counted_for_positions_and_retired_scenarios_are_not_checked(good: Library) -> None:
    extra = [altered(bank.scenario("x", 0, 1, id=f"mas-{n}"), state="draft") for n in range(60)]
    competency = next(iter(good.competencies))
    drafts = [altered(one, competency=competency, variant=9) for one in extra]
    assert problem_lines(bank.with_changes(good, *drafts)) == []
    hard = drafts[0].situation.model_copy(update={"es": "Responsabilidades administrativas institucionales."})
    retired = altered(drafts[0], situation=hard, state="retired")
    assert problem_lines(bank.with_changes(good, retired)) == []


# ---------------------------------------------------------------- statistics


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    [
        *[(3.841, 1, 0.05), (6.635, 1, 0.01), (5.991, 2, 0.05), (9.210, 2, 0.01), (7.815, 3, 0.05), (11.345, 3, 0.01)],
        *[(9.488, 4, 0.05), (13.277, 4, 0.01), (11.070, 5, 0.05), (15.086, 5, 0.01), (12.592, 6, 0.05)],
    ],
)
def test_the_chi_square_tail_matches_printed_tables(statistic: float, freedom: int, tail: float) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(tail, abs=2e-5)


@given(st.floats(0, 50), st.floats(0.1, 10), st.integers(1, 6))
def test_the_chi_square_tail_falls_with_the_statistic(statistic: float, more: float, freedom: int) -> None:
    assert chi_square_tail(0, freedom) == pytest.approx(1)
    assert 0 <= chi_square_tail(statistic + more, freedom) <= chi_square_tail(statistic, freedom) <= 1 + 1e-9


@given(st.integers(1, 40), st.integers(0, 41), st.sampled_from((0.25, 1 / 3, 0.5)))
def test_equal_probabilities_give_the_binomial_tail(events: int, count: int, chance: float) -> None:
    tail = sum(math.comb(events, k) * chance**k * (1 - chance) ** (events - k) for k in range(count, events + 1))
    assert tail_probability(count, [chance] * events) == pytest.approx(tail)


# ---------------------------------------------------------------- variants and their texts


def test_a_competency_with_three_variants_is_reported(good: Library) -> None:
    competency = next(iter(good.topics.values())).competencies[1]
    last = next(one for one in good.scenarios.values() if one.competency == competency.id and one.variant == 4)
    (line,) = [one for one in problem_lines(bank.with_changes(good, altered(last, state="draft"))) if "topics/" in one]
    assert f"competencies.1: {competency.id} has too few published scenarios (seen: 3); expected at least 4" in line


LONG = " ".join(["Una", *["palabra"] * 25]) + "."
HARD = (
    "Responsabilidades administrativas institucionales determinadas reglamentariamente. "
    "Incumplimientos procedimentales reiterados ameritan consideraciones extraordinarias."
)


@pytest.mark.parametrize(
    ("field", "words", "message"),
    [
        ("situation.es", HARD, "hard to read (seen: "),
        ("situation.es", LONG, "a sentence is too long (seen: 26 words, 'Una palabra palabra"),
        ("situation.en", LONG, "a sentence is too long (seen: 26 words, "),
        ("todo.en", LONG, "a sentence is too long (seen: 26 words, "),
        ("options.1.why.es", LONG, "a sentence is too long (seen: 26 words, "),
        (
            "options.2.why.es",
            "Haces bien: estás seguro de ello.",
            "wording not allowed (seen: 'estás seguro'); expected ",
        ),
        (
            "situation.es",
            "Tu colega ganó. Te lo dice alguien de Morena.",
            "name not allowed (seen: 'Morena'); expected ",
        ),
        ("situation.en", "Someone of Morena says so.", "name not allowed (seen: 'Morena'); expected "),
    ],
)
def test_unsuitable_texts_are_reported_with_file_and_field(good: Library, field: str, words: str, message: str) -> None:
    one = next(iter(good.scenarios.values()))
    raw = one.model_dump()
    *path, last = field.split(".")
    inner: Any = raw
    for step in path:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    inner[last] = words
    lines = problem_lines(bank.with_changes(good, Scenario.model_construct(**_fields(one, raw))))
    file = bank_checks.file_of(good, one)
    expected = message.replace("name not", "wording not") if field.endswith(".es") else message
    assert any(line.startswith(f"{file}: {field}: {expected}") for line in lines), lines


def _fields(one: Scenario, raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of a scenario with changed texts, to construct it without the loader's limits."""
    options = tuple(
        old.model_copy(
            update={name: old.text.model_copy(update=new[name]) for name in ("text", "why")},
        )
        for old, new in zip(one.options, raw["options"], strict=True)
    )
    return {
        **{name: getattr(one, name) for name in Scenario.model_fields},
        "situation": one.situation.model_copy(update=raw["situation"]),
        "todo": one.todo.model_copy(update=raw["todo"]),
        "options": options,
    }


def test_two_nearly_equal_situations_are_reported(good: Library) -> None:
    one, other = list(good.scenarios.values())[:2]
    twin = altered(other, situation=one.situation)
    lines = [line for line in problem_lines(bank.with_changes(good, twin)) if "nearly the same as" in line]
    assert [line.split(": ")[1] for line in lines] == ["situation.en", "situation.es"]
    assert all(bank_checks.file_of(good, other) in line and "seen: 1.00" in line for line in lines)


# ---------------------------------------------------------------- options that reveal the answer


def test_an_action_that_is_always_right_is_reported(good: Library) -> None:
    def always_excused(one: Scenario) -> Scenario:
        options = tuple(
            option.model_copy(update={"right": option.text.es == bank.ACTIONS[0]["es"]}) for option in one.options
        )
        return altered(one, options=options)

    group = [one for one in good.scenarios.values() if one.competency == next(iter(good.competencies))]
    lines = problem_lines(bank.with_changes(good, *map(always_excused, group)))
    assert sum("right here and wrong in no other variant" in line for line in lines) == 4 * 2
    assert sum("wrong here and right in no other variant" in line for line in lines) == 8 * 2


def test_marking_one_action_right_everywhere_is_reported_for_every_competency(
    library: Library,
) -> None:
    for group in library.askable.values():
        for model in group[0].options:
            changed = {one.id: _with_right_option_like(one, model.text.es) for one in group}
            assert any("no other variant" in line for line in problem_lines(replace(library, scenarios=changed))), (
                group[0].competency
            )


def _with_right_option_like(scenario: Scenario, words: str) -> Scenario:
    """The scenario with the option marked right whose text is most similar to `words`."""
    like = [bank_checks.similarity(words, one.text.es) for one in scenario.options]
    options = tuple(
        one.model_copy(update={"right": place == like.index(max(like))}) for place, one in enumerate(scenario.options)
    )
    return altered(scenario, options=options)


def test_an_action_in_only_one_variant_is_reported(good: Library) -> None:
    one = next(iter(good.scenarios.values()))
    alone = texts(one, lambda right, text: "Llamar por radio al almacén del puerto" if right else text)
    lines = [line for line in problem_lines(bank.with_changes(good, alone)) if bank_checks.file_of(good, one) in line]
    assert len(lines) == 1
    assert "text.es: right here and wrong in no other variant" in lines[0]


def test_actions_that_differ_in_a_name_are_still_the_same(good: Library) -> None:
    names = ("Citlali", "Raúl", "Amelia", "Nicanor")

    def named(one: Scenario) -> Scenario:
        return texts(one, lambda _, text: text.replace("persona", names[one.variant - 1]))

    assert [line for line in problem_lines(with_all_changed(good, named)) if "no other variant" in line] == []


def test_an_option_matches_the_one_with_the_same_text_at_any_position(good: Library) -> None:
    one, other = list(good.scenarios.values())[:2]
    for option in one.options:
        ((match, likeness),) = bank_checks.matching_options(option, other, "es")
        assert (match.text, likeness) == (option.text, 1)


def test_actions_that_differ_in_one_noun_may_match(good: Library) -> None:
    one, other = list(good.scenarios.values())[:2]
    units = iter(("área", "gerencia", "total", "escuela", "región", "total"))
    first, second = (texts(each, lambda _, __: f"Publicar los resultados por {next(units)}") for each in (one, other))
    assert [len(bank_checks.matching_options(option, second, "es")) for option in first.options] == [3, 3, 1]


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_and_ignores_accents(one: str, other: str) -> None:
    assert bank_checks.similarity(one, other) == bank_checks.similarity(other, one)
    assert bank_checks.similarity(one, one) == 1
    assert bank_checks.similarity("Ándale, opción", "andale opcion!") == 1


SIMILAR_TEXTS = st.text("abn ", max_size=12)


@given(SIMILAR_TEXTS, SIMILAR_TEXTS, st.floats(0, 1))
def test_texts_that_are_similar_enough_are_never_passed_over(one: str, other: str, least: float) -> None:
    if bank_checks.similarity(one, other) >= least:
        assert bank_checks.may_be_similar(one, other, least)


@given(SIMILAR_TEXTS, SIMILAR_TEXTS)
def test_the_common_length_is_that_of_the_longest_common_subsequence(one: str, other: str) -> None:
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row, left in enumerate(one):
        for column, right in enumerate(other):
            longer = max(lengths[row][column + 1], lengths[row + 1][column])
            lengths[row + 1][column + 1] = lengths[row][column] + 1 if left == right else longer
    assert bank_checks.common_length(one, other) == lengths[-1][-1]


def test_different_situations_are_not_compared_part_by_part() -> None:
    situations = "Una proveedora te regala un reloj.", "Tu primo pide trabajo en tu oficina."
    assert not bank_checks.may_be_similar(*situations, bank_checks.MAX_SITUATION_SIMILARITY)


# ---------------------------------------------------------------- gender-neutral wording

REJECTED = (
    "¿Ya estás listo?",
    "Estás muy segura de eso.",
    "Te quedas sola en la oficina.",
    "Te sientes obligada a firmar.",
    "Eres el encargado de compras.",
    "Fuiste la coordinadora del programa.",
    "Eres nuevo en el área.",
    "Eres supervisora de obra.",
    "Eres su primo y lo sabes.",
    "Has sido invitado a la boda.",
    "Hazlo tú mismo.",
    "Como funcionario, decides.",
    "Todo servidor público declara.",
    "Una servidora pública firma.",
    "El funcionario atiende.",
    "Bienvenida al curso.",
    "Entre nosotros queda.",
    "—Mira, licenciado, así se hace.",
    "Si estás interesado/a, firma.",
    "Invita a tod@s.",
    "Tu vecino es de MORENA o del PAN.",
    "Compran en Walmart.",
)
ACCEPTED = (
    "¿Ya tienes todo listo?",
    "Estás a cargo de compras.",
    "Estás de acuerdo con la medida.",
    "Eres quien coordina el programa.",
    "Eres enlace de tu dependencia.",
    "Eres la persona que decide.",
    "Te quedas cada viernes hasta tarde.",
    "Sigues con tu jornada.",
    "Lo haces en persona.",
    "Como persona servidora pública, declaras.",
    "Las personas servidoras públicas declaran.",
    "Una funcionaria de otra oficina llama.",
    "Ella está segura y él está listo.",
    "Te damos la bienvenida.",
    "Su tío, muy querido, murió.",
    "Citlali es morena y compra pan.",
    "No seas así: haz la fila.",
    "La fecha es 23/11/2026, de 9 a 12.",
    "Es y/o no es.",
)


@pytest.mark.parametrize("text", REJECTED)
def test_wording_that_assumes_the_reader_s_gender_is_found(text: str) -> None:
    assert [instead for _, instead in shipped_wording().violations(text)]


@pytest.mark.parametrize("text", ACCEPTED)
def test_neutral_wording_is_accepted(text: str) -> None:
    assert list(shipped_wording().violations(text)) == []


def test_an_invalid_pattern_is_reported() -> None:
    table = shipped_wording().model_dump()
    table["patterns"] = [{"find": "(estás", "instead": "x"}]
    with pytest.raises(ValueError, match=r"not a regular expression: .*seen: '\(estás'"):
        Wording.model_validate(table)
