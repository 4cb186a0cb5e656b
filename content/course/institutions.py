"""Lists of institutions that come with the course: a seed that an administrator edits."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from content.text import ContentModel, NonEmptyStr


class InstitutionEntry(ContentModel):
    """A State or municipal body; `code` is what its servants enrol with."""

    code: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$", max_length=24)]
    name: NonEmptyStr
    sphere: Literal["state", "municipal"]
    fictional: bool = False


class Institutions(ContentModel):
    """One file of them."""

    institutions: Annotated[tuple[InstitutionEntry, ...], Field(min_length=1)]
