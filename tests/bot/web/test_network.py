"""Which requests count as one network: by peer, behind a proxy by its last forwarded address, and by nothing else."""

from collections.abc import Sequence
from ipaddress import ip_network
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from bot.web import network
from bot.web.network import network_of

PROXY, SECOND = "127.0.0.1", "10.0.0.7"


def _name(peer: str | None, *forwarded: str, proxies: Sequence[str] = (PROXY, "10.0.0.0/24", "fd00::/8")) -> str:
    app = web.Application()
    app[network.PROXIES] = [ip_network(each) for each in proxies]
    headers = CIMultiDict(("X-Forwarded-For", each) for each in forwarded)
    transport = Mock()
    transport.get_extra_info = lambda name, default=None: (peer, 1) if name == "peername" and peer else default
    request = make_mocked_request("POST", "/c/cases", headers=headers, app=app, transport=transport)
    return network_of(request)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("192.0.2.1",), ("192.0.2.1",)),
        (("192.0.2.1",), ("::ffff:192.0.2.1",)),  # as a server that listens on IPv6 sees it
        (("2001:db8:0:1::1",), ("2001:db8:0:1:ffff::9",)),  # 64 bits are one network
        (("fe80::1%eth0",), ("fe80::2%eth1",)),
        (("192.0.2.1",), (PROXY, "192.0.2.1")),  # directly, and through the proxy
        (("192.0.2.1",), (SECOND, "192.0.2.1")),
        (("192.0.2.1",), ("::ffff:127.0.0.1", "192.0.2.1")),
        (("2001:db8:0:1::1",), ("fd00::1", "2001:db8:0:1::2")),
        (("192.0.2.1",), (PROXY, "198.51.100.9, 192.0.2.1")),  # the client's own header stands before the proxy's
        (("192.0.2.1",), (PROXY, "198.51.100.9", "192.0.2.1")),
        (("192.0.2.1",), ("192.0.2.1", "198.51.100.9")),  # whom we do not trust names no other network
        (("192.0.2.1",), ("192.0.2.1", "127.0.0.1")),
        *(((PROXY,), (PROXY, text)) for text in ("", "unknown", "192.0.2.1:80", "192.0.2.1,", "ÿ", "1" * 9000)),
        ((None,), ("",)),  # a socket without addresses
    ],
)
def test_one_network_has_one_name(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
    assert _name(*one) == _name(*other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("192.0.2.1",), ("192.0.2.2",)),
        (("2001:db8:0:1::1",), ("2001:db8:0:2::1",)),
        ((PROXY, "192.0.2.1"), (PROXY, "192.0.2.2")),
        ((PROXY, "192.0.2.1"), (PROXY,)),
    ],
)
def test_two_networks_have_two(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert _name(*one) != _name(*other)


def test_without_the_setting_no_proxy_is_believed() -> None:
    assert _name(PROXY, "192.0.2.1", proxies=()) == _name(PROXY, "198.51.100.9", proxies=()) == _name(PROXY)


def test_a_name_shows_nothing_of_the_address_and_means_nothing_to_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = _name("192.0.2.1")
    assert len(before) == 32
    assert set(before) <= set("0123456789abcdef")
    monkeypatch.setattr(network, "_KEY", bytes(32))
    assert _name("192.0.2.1") != before
