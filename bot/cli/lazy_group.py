"""A group of commands whose modules are imported when they are called, so that `--help` waits for none of them.

The list of commands shows the sentence that opens each module, after its "`integra <name>`:".
"""

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

OPENING = re.compile(r'"""(?:`integra [^`]*`: )?(.*?)(?:"""|\n)')


class LazyGroup(TyperGroup):
    """Subclasses list `places`: for each command `module:name` of its function or of its own group (a typer.Typer)."""

    places: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, place in self.places.items():
            self.add_command(TyperCommand(name, help=_opening_sentence(place), callback=_not_imported))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that is called; an unknown one is refused with the nearest names."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.import_command(name) if name is not None and name in self.places else command, rest

    def import_command(self, name: str) -> Any:
        """Import the module of a command and build what typer calls."""
        module, _, attribute = self.places[name].partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        return typer.main.get_command(app)


def _opening_sentence(place: str) -> str:
    """The first line of the module's docstring, read without importing the module."""
    name = place.partition(":")[0]
    spec = find_spec(name)
    source = spec.loader.get_source(name) if spec and isinstance(spec.loader, InspectLoader) else None
    found = OPENING.match(source or "")
    return found[1][:1].upper() + found[1][1:] if found else ""  # empty where only compiled modules are installed


def _not_imported() -> None:
    raise AssertionError("`resolve_command` imports a command before it is called")
