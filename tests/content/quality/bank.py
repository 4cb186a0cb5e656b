"""A small scenario bank without any problem, for tests that break one rule at a time."""

from dataclasses import replace
from datetime import date
from typing import Any

from content.course.scenario import Scenario
from content.library import Library

ACTIONS = (
    {"es": "Pedir excusa de este asunto y seguir con los demás hoy", "en": "Ask to be excused from it and go on"},
    {"es": "Atender hoy a la persona igual que a cualquier otra", "en": "Serve that person today like everyone else"},
    {
        "es": "Preguntar primero a tu jefatura qué procede ahora",
        "en": "First find out with your manager what is to be done",
    },
)
RIGHT = (0, 1, 2, 1)
"""Which action is right in variants 1 to 4."""

PLACES = {
    "es": (
        "Recibes una caja con fruta en la oficina de obras. La manda quien ganó un contrato ayer.",
        "Una vecina pide su licencia en la ventanilla. Le falta una copia, y tú la conoces desde la primaria.",
        "El viernes se cierra la caja de la tesorería. Falta dinero, y nadie más lo ha visto todavía.",
        "Llega un correo con los datos de una paciente. Venía para otra clínica, y alguien ya lo imprimió.",
    ),
    "en": (
        "You get a box of fruit at the works office. It comes from the firm that won a contract yesterday.",
        "A neighbour asks for her licence at the counter. A copy is missing, and you know her from school.",
        "On Friday the treasury closes its books. Money is missing, and no colleague has seen it so far.",
        "A mail with a patient's details arrives. It was meant for another clinic, and a colleague printed it.",
    ),
}
REST = {
    "es": " Tu equipo tiene prisa y te mira. Nadie dice nada, pero todos esperan que decidas hoy. ¿Qué haces?"
    " El día fue largo, y mañana hay otra fila.",
    "en": " Your team is in a hurry and looks at you. No one speaks, but all expect you to decide today."
    " The day was long, and tomorrow there is another line. What do you do?",
}
WHY = {
    "es": "Aquí el hecho que cuenta está a la vista. La regla mira ese hecho, y no la prisa ni la buena fe de nadie.",
    "en": "Here the fact that counts is in plain view. The rule looks at that fact, not at hurry or good faith at all.",
}


def scenario(competency: str, number: int, variant: int, **changes: Any) -> Scenario:
    """A variant with the three actions as options; the position of the right one rotates with `number`."""
    offset = (RIGHT[variant - 1] - number) % 3
    order = [(offset + index) % 3 for index in range(3)]
    table = {
        "id": f"uno-{number}-{variant}",
        "competency": competency,
        "variant": variant,
        "roles": ("general",),
        "state": "published",
        "author": "Redacción del curso",
        "reviewer": "",
        "reviewed_on": date(2026, 11, 22),
        "situation": {language: PLACES[language][variant - 1] + REST[language] for language in PLACES},
        "options": [
            {"right": action == RIGHT[variant - 1], "articles": ("lgra-58",), "text": ACTIONS[action], "why": WHY}
            for action in order
        ],
        "todo": {"es": "Mira el hecho.", "en": "Look at the fact."},
    }
    return Scenario.model_validate(table | changes)


def good(library: Library) -> Library:
    """The shipped course with this bank instead of its own: four variants per competency."""
    bank = [
        scenario(competency, number + variant, variant, id=f"caso-{number}-{variant}")
        for number, competency in enumerate(library.competencies)
        for variant in (1, 2, 3, 4)
    ]
    return replace(library, scenarios={scenario.id: scenario for scenario in bank}, files={})


def with_changes(library: Library, *changed: Scenario) -> Library:
    """The library with these scenarios added or replaced, by id."""
    return replace(library, scenarios=dict(library.scenarios) | {one.id: one for one in changed}, files={})
