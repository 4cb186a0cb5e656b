"""Codes of authenticator apps: the vectors of RFC 6238, the clocks that are accepted, and secrets at rest."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from storage.confidential import totp
from storage.confidential.protocol.errors import Altered

SECRET = b"12345678901234567890"  # of RFC 6238, appendix B; its codes there have eight digits
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
NOW = datetime(2026, 11, 23, 16, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("second", VECTORS)
def test_codes_are_those_of_the_standard(second: int) -> None:
    now = datetime.fromtimestamp(second, UTC)
    assert totp.code_of(SECRET, totp.step_at(now)) == VECTORS[second][-6:]


@pytest.mark.parametrize(("seconds", "is_right"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_phone_may_be_half_a_minute_off(seconds: int, is_right: bool) -> None:
    step = totp.step_at(NOW + timedelta(seconds=seconds))
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step), NOW) == (step if is_right else None)


@pytest.mark.parametrize("code", ["", "12345", "0000000", "١٢٣٤٥٦", "abcdef"])
def test_what_is_no_code_fits_no_step(code: str) -> None:
    assert totp.matching_step(SECRET, code, NOW) is None


def test_an_app_finds_secret_and_name_in_the_address() -> None:
    address = urlsplit(totp.address(SECRET, "carmen@ueipci.example"))
    assert (address.scheme, address.netloc, address.path) == ("otpauth", "totp", "/Integra:carmen%40ueipci.example")
    given = parse_qs(address.query)
    assert base64.b32decode(given["secret"][0]) == SECRET
    assert given["issuer"] == ["Integra"]


@pytest.mark.attack
def test_a_sealed_secret_opens_with_its_key_and_for_its_officer_only() -> None:
    key, other = bytes(32), bytes(31) + b"\1"
    sealed = totp.seal(key, SECRET, "carmen")
    assert totp.unseal(key, sealed, "carmen") == SECRET
    assert totp.seal(key, SECRET, "carmen") != sealed
    for wrong in ((other, sealed, "carmen"), (key, sealed, "dora"), (key, sealed[:-4], "carmen"), (key, "", "carmen")):
        with pytest.raises(Altered):
            totp.unseal(*wrong)
