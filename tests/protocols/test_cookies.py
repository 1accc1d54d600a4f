"""Cookies: good for 30 to 60 s, for one address and one hello, without a memory."""

from __future__ import annotations

import random

import pytest

from netlab.protocols.cookies import COOKIE_LEN, CookieJar
from netlab.units import MS, S

ANN, BOB = ("192.0.2.1", 5000), ("192.0.2.2", 5000)


@pytest.fixture
def jar() -> CookieJar:
    return CookieJar(random.Random(1).randbytes)


@pytest.mark.parametrize("baked_at", [0, 1, 29 * S, 30 * S - 1, 30 * S, 1000 * S + 17 * MS])
def test_good_for_30_to_60_s(jar: CookieJar, baked_at: int) -> None:
    cookie = jar.bake(ANN, 7, baked_at)
    assert jar.good(cookie, ANN, 7, baked_at)
    assert jar.good(cookie, ANN, 7, baked_at + 30 * S)
    assert not jar.good(cookie, ANN, 7, baked_at + 60 * S)
    ends = next(after for after in range(0, 61_000, 100) if not jar.good(cookie, ANN, 7, baked_at + after * MS))
    assert 30_000 < ends <= 60_000


def test_not_before_it_was_baked(jar: CookieJar) -> None:
    assert not jar.good(jar.bake(ANN, 7, 90 * S), ANN, 7, 59 * S)


@pytest.mark.parametrize(
    ("address", "hello_id"),
    [(BOB, 7), (("192.0.2.1", 5001), 7), (ANN, 8), (("192.0.2.1", 500), 7), ("192.0.2.1", 7)],
)
def test_not_for_another_address_or_hello(jar: CookieJar, address: object, hello_id: int) -> None:
    assert not jar.good(jar.bake(ANN, 7, 0), address, hello_id, 0)  # type: ignore[arg-type]


def test_not_of_another_key(jar: CookieJar) -> None:
    other = CookieJar(random.Random(2).randbytes)
    assert not other.good(jar.bake(ANN, 7, 0), ANN, 7, 0)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + "A", lambda c: "", lambda c: c.swapcase()])
def test_only_as_it_was_baked(jar: CookieJar, change: object) -> None:
    assert callable(change)
    assert not jar.good(change(jar.bake(ANN, 7, 0)), ANN, 7, 0)


@pytest.mark.parametrize("cookie", ["\ud800", "é" * 11, "\x00", "x" * 100_000])
def test_nonsense_is_refused_and_does_not_raise(jar: CookieJar, cookie: str) -> None:
    assert not jar.good(cookie, ANN, 7, 0)


def test_128_bits_as_base64url(jar: CookieJar) -> None:
    cookies = [jar.bake(ANN, number, 0) for number in range(100)]
    assert len(set(cookies)) == 100
    assert {len(cookie) for cookie in cookies} == {COOKIE_LEN} == {22}
    assert all(cookie.isascii() and cookie.replace("-", "").replace("_", "").isalnum() for cookie in cookies)


def test_the_key_is_drawn_once() -> None:
    asked: list[int] = []

    def entropy(n: int) -> bytes:
        asked.append(n)
        return bytes(n)

    jar = CookieJar(entropy)
    for now in (0, 40 * S, 80 * S):
        jar.bake(ANN, 7, now)
    assert asked == [32]
