"""Which unit this installation serves: its public key and the newest list seen, in files outside the database.

A writer of rows can invent a unit and lists; these two files tell that they are not those of this installation.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.confidential.protocol import fields
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.errors import Malformed
from storage.confidential.protocol.lists import Chain, Pin, SignedList, unit_pin

UNIT_FILE = "unit.pub"
HEAD_FILE = "list.head"


class BrokenTrustFile(Exception):
    """A file cannot be read or does not hold what it should; the message names file and remedy."""


class OtherUnit(Exception):
    """The installation has adopted another unit; the message is that unit's key."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The chain of lists up to the newest that holds, and the text of the newest row that was looked at."""

    newest_row: str
    lists: tuple[SignedList, ...]
    chain: Chain


@dataclass(slots=True)
class UnitTrust:
    """The adopted unit of an installation; without a folder none is adopted."""

    folder: Path | None = None  # of the generated keys, DATA_DIR/secrets
    adopts_itself: bool = False  # for a trial with fictional institutions only: the first list seen is adopted
    verified: Verified | None = None  # remembered, so that the lists are not verified for every request

    def unit(self) -> str:
        """The unit's public key as a point; empty while none is adopted. Raises BrokenTrustFile."""
        text = self._read(UNIT_FILE).strip()
        if text:
            self._check(fields.point, text, UNIT_FILE)
        return text

    @property
    def has_unit(self) -> bool:
        """Whether a unit was adopted, be its file damaged meanwhile."""
        return self.folder is not None and (self.folder / UNIT_FILE).exists()

    def pin(self) -> str:
        """The 22 characters that link, poster and page keep of the unit's key; empty while none is adopted."""
        unit = self.unit()
        return unit_pin(unit) if unit else ""

    def floor(self) -> Pin | None:
        """Serial and hash of the newest list seen: no older one is served. Raises BrokenTrustFile."""
        text = self._read(HEAD_FILE)
        if not text:
            return None
        try:
            value: Any = json.loads(text)
        except ValueError as fault:
            raise self._broken(HEAD_FILE) from fault
        self._check(fields.PIN, value, HEAD_FILE)
        pin: Pin = value
        return pin

    def is_reached_by(self, chain: Chain) -> bool:
        """Whether this chain leads to the newest list that was ever seen, or beyond. Raises BrokenTrustFile."""
        floor = self.floor()
        return floor is None or chain.hashes.get(floor["serial"]) == floor["hash"]

    def adopt(self, unit: str, head: Pin) -> None:
        """Write the unit's key, once, and the floor. Raises OtherUnit, BrokenTrustFile, OSError."""
        known = self.unit()
        if known and known != unit:
            raise OtherUnit(known)
        self.raise_floor(head)
        if not known:
            self._write(UNIT_FILE, unit + "\n")

    def succeed(self, former: str, unit: str) -> None:
        """Write the key that follows the adopted one. Raises OtherUnit, BrokenTrustFile, OSError."""
        with self._locked():
            known = self.unit()
            if known != former:
                raise OtherUnit(known)
            self._write(UNIT_FILE, unit + "\n")

    def raise_floor(self, pin: Pin) -> None:
        """Remember a newer list; an older one changes nothing. Raises BrokenTrustFile, OSError."""
        if self._is_above_floor(pin):
            with self._locked():  # of processes that see different lists at once, the newest wins
                if self._is_above_floor(pin):
                    self._write(HEAD_FILE, canonical(pin) + "\n")

    def _is_above_floor(self, pin: Pin) -> bool:
        floor = self.floor()
        return self.folder is not None and (floor is None or floor["serial"] < pin["serial"])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes of this machine from writing."""
        assert self.folder is not None, "a unit is adopted into a folder"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> str:
        if self.folder is None:
            return ""
        try:
            return (self.folder / name).read_text(encoding="ascii")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as fault:
            raise self._broken(name) from fault

    def _write(self, name: str, text: str) -> None:
        """Write a file completely or not at all."""
        assert self.folder is not None, "a unit is adopted into a folder"
        unfinished = self.folder / f".{name}.{os.getpid()}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / name)

    def _check(self, check: fields.Check, value: object, name: str) -> None:
        try:
            check(value, name)
        except Malformed as fault:
            raise self._broken(name) from fault

    def _broken(self, name: str) -> BrokenTrustFile:
        return BrokenTrustFile(f"DATA_DIR: {name!r} in secrets/ is damaged; restore it from a backup")
