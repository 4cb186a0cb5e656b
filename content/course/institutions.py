"""Lists of institutions shipped with the course: seed data that an administrator imports and edits."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from content.text import ContentModel, NonEmptyStr


class InstitutionEntry(ContentModel):
    """A State or municipal body; servants enrol with its `code`.

    `responsible` is who answers for their personal data, with an address; empty: the State's ministry.
    """

    code: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$", max_length=24)]
    name: NonEmptyStr
    sphere: Literal["state", "municipal"]
    fictional: bool = False
    responsible: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\r\n\t<>]*$")] = ""


class Institutions(ContentModel):
    """One file of institutions."""

    institutions: Annotated[tuple[InstitutionEntry, ...], Field(min_length=1)]
