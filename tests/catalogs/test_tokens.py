"""Tokens: used as long as they are good, renewed beside, whatever the clocks say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from astra_xr.catalogs.planetary_computer import PlanetaryComputer
from astra_xr.catalogs.tokens import Token, Tokens
from astra_xr.errors import UpstreamUnavailable
from astra_xr.secret import Secret
from astra_xr.settings import Settings
from astra_xr.testing import FakeClock
from conftest import Loopback

HOST = "planetarycomputer.microsoft.com"
BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/53/N/B04.tif"
HOUR = 3600.0


class Signer:
    """Returns tokens 1, 2, …; raises while it is down, and waits while it hangs."""

    def __init__(self, life: float | None = HOUR) -> None:
        self.life = life
        self.asked = 0
        self.down = False
        self.hangs = threading.Event()
        self.hangs.set()

    def __call__(self) -> Token:
        self.asked += 1
        number = self.asked
        self.hangs.wait(60)
        if self.down:
            raise UpstreamUnavailable(service="signer", reason="down (HTTP 503)")
        return Token(value=Secret(f"{number}"), expires_at=None, life=self.life)


def held(clock: FakeClock) -> Tokens[str]:
    return Tokens(renew_before=timedelta(minutes=5), timer=clock.seconds)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_good_token_serves_while_its_renewal_hangs(clock: FakeClock) -> None:
    tokens, signer = held(clock), Signer()
    assert tokens.get("c", signer).value.reveal() == "1"
    clock.advance(timedelta(minutes=56))
    signer.hangs.clear()
    for _ in range(20):
        assert tokens.get("c", signer).value.reveal() == "1"
    until(lambda: signer.asked == 2)
    signer.hangs.set()
    until(lambda: tokens.get("c", signer).value.reveal() == "2")
    clock.advance(timedelta(minutes=54))
    assert tokens.get("c", signer).value.reveal() == "2"
    assert signer.asked == 2


def test_a_token_that_is_about_to_expire_is_renewed(clock: FakeClock) -> None:
    tokens, signer = held(clock), Signer()
    tokens.get("c", signer)
    clock.advance(timedelta(minutes=59))
    assert tokens.get("c", signer).value.reveal() == "2"


def test_a_good_token_serves_while_its_signer_is_down(clock: FakeClock) -> None:
    tokens, signer = held(clock), Signer()
    tokens.get("c", signer)
    signer.down = True
    for _ in range(4):
        clock.advance(timedelta(minutes=14, seconds=50))
        assert tokens.get("c", signer).value.reveal() == "1"
    clock.advance(timedelta(seconds=41))
    with pytest.raises(UpstreamUnavailable, match="503"):
        tokens.get("c", signer)
    signer.down = False
    clock.advance(seconds=2)
    assert int(tokens.get("c", signer).value.reveal()) > 1


@pytest.mark.parametrize("life", [90.0, 280.0, HOUR, 0.0, -HOUR * 24])
def test_whatever_life_a_token_has_it_is_requested_once_a_minute_at_most(
    clock: FakeClock, life: float
) -> None:
    tokens, signer = held(clock), Signer(life)
    for _ in range(300):
        tokens.get("c", signer)
        clock.advance(seconds=1)
    until(lambda: not [t for t in threading.enumerate() if t.name == "astra-xr token"])
    assert signer.asked <= 6


def test_a_refused_token_is_replaced_at_once(clock: FakeClock) -> None:
    tokens, signer = held(clock), Signer(None)
    assert tokens.get("c", signer).value.reveal() == "1"
    clock.advance(timedelta(days=300))
    assert tokens.get("c", signer).value.reveal() == "1"
    assert tokens.get("c", signer, lambda token: token.value.reveal() == "1").value.reveal() == "2"


def test_all_who_wait_share_a_failure(clock: FakeClock) -> None:
    tokens, signer = held(clock), Signer()
    signer.down = True
    signer.hangs.clear()
    begun, failed = list[bool](), list[Exception]()

    def read() -> None:
        begun.append(True)
        try:
            tokens.get("c", signer)
        except UpstreamUnavailable as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: signer.asked == 1 and len(begun) == 8)
    time.sleep(0.3)  # the last of them comes to wait
    signer.hangs.set()
    for thread in threads:
        thread.join(30)
    assert (len(failed), signer.asked) == (8, 1)


class Service:
    """The signing service: the time is ``now`` there, and its tokens end ``ends`` later."""

    def __init__(self, now: datetime, *ends: timedelta) -> None:
        self.now, self.ends, self.asked = now, list(ends), 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        end = self.now + (self.ends.pop(0) if len(self.ends) > 1 else self.ends[0])
        return httpx.Response(
            200,
            headers={"Date": format_datetime(self.now, usegmt=True)},
            json={"msft:expiry": f"{end:%Y-%m-%dT%H:%M:%SZ}", "token": f"sig=T{self.asked}"},
        )


NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("off", [timedelta(0), timedelta(days=1), -timedelta(days=1)])
def test_a_wrong_clock_changes_nothing(network: Loopback, clock: FakeClock, off: timedelta) -> None:
    service = network.routes[HOST] = Service(NOW, timedelta(minutes=45))
    catalog = PlanetaryComputer(Settings(), clock=lambda: NOW + off, timer=clock.seconds)
    for _ in range(39):
        assert catalog.sign(BLOB).url.endswith("sig=T1")
        clock.advance(timedelta(minutes=1))
    assert service.asked == 1
    clock.advance(timedelta(minutes=6))
    assert catalog.sign(BLOB).url.endswith("sig=T2")


def test_tokens_that_have_expired_are_requested_again(
    network: Loopback, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    gone, good = -timedelta(hours=2), timedelta(minutes=45)
    network.routes[HOST] = Service(NOW, gone, gone, good)
    catalog = PlanetaryComputer(Settings(), clock=lambda: NOW, timer=clock.seconds)
    assert catalog.sign(BLOB).url.endswith("sig=T3")
    network.routes[HOST] = Service(NOW, gone)
    catalog = PlanetaryComputer(Settings(), clock=lambda: NOW, timer=clock.seconds)
    with pytest.raises(UpstreamUnavailable, match="expired .at 2025-03-01 10:00"):
        catalog.sign(BLOB)


def test_a_null_token_is_none(network: Loopback) -> None:
    network.routes[HOST] = lambda request: httpx.Response(200, json={"token": None})
    with pytest.raises(Exception, match="returned no token"):
        PlanetaryComputer(Settings()).sign(BLOB)
