"""An officer's authenticator app: it holds the secrets that the console has offered and shows their codes."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from storage.confidential import factors, totp
from storage.confidential.factors import Kind
from tests.bot.console.office import SECRET, Office, OfficerWithKeys


@dataclass(frozen=True)
class App:
    """One account in an authenticator app."""

    secret: bytes

    @classmethod
    def scanned(cls, offer: dict[str, Any]) -> "App":
        """The account that the app makes of an offer, in JSON."""
        return cls.typed(offer["secret"])

    @classmethod
    def typed(cls, secret: str) -> "App":
        """The account that the app makes of a secret as a page shows it."""
        return cls(base64.b32decode(secret.replace(" ", "")))

    def code(self, now: datetime, *, later: int = 0) -> str:
        """What the app shows, or what it shows some steps later."""
        return totp.code_of(self.secret, totp.step_at(now + later * timedelta(seconds=totp.STEP)))

    def enrolment(self, offer: dict[str, Any], now: datetime) -> dict[str, str]:
        """What a page posts of an offer."""
        return {"ticket": offer["ticket"], "code": self.code(now)}


async def with_app(office: Office, officer: OfficerWithKeys) -> App:
    """Give an officer an app, whose first code was of a minute ago; the office is no trial any more."""
    office.trust.adopts_itself = False
    app = App(totp.new_secret())
    sealed, used = totp.seal(SECRET.factor, app.secret, officer.id), totp.step_at(office.now) - 2
    async with office.database.write() as tx:
        await factors.add(tx, officer.id, Kind.TOTP, sealed, used, office.today)
    return app
