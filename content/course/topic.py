"""A topic of the course and its competencies: the rules of conduct that scenarios train."""

from typing import Annotated, Literal

from pydantic import Field

from content.text import ContentModel, Identifier, Text

Role = Literal[
    "ventanilla",
    "compras",
    "obra",
    "inspeccion",
    "recursos-humanos",
    "salud",
    "educacion",
    "seguridad",
    "tesoreria",
    "sistemas",
    "jefatura",
    "general",
]
Season = Literal["regalos", "declaraciones", "cierre-anual", "elecciones", "entrega-recepcion"]
Level = Literal["conoce", "aplica", "orienta"]


class Competency(ContentModel):
    """One rule of conduct, in one sentence, with the articles it rests on."""

    id: Identifier
    rule: Text
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    level: Level
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    seasons: tuple[Season, ...] = ()


class Topic(ContentModel):
    """One of the six topics; `order` is the position in which it is shown."""

    id: Identifier
    order: Annotated[int, Field(ge=1)]
    name: Text
    about: Text
    competencies: Annotated[tuple[Competency, ...], Field(min_length=1)]
