"""Answers are made once for all who ask, kept for a while, and never when they failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from astra_xr.service.response_cache import Answer, Answers

Make = Callable[[str], Coroutine[Any, Any, Answer]]


class Cook:
    """Makes responses on request, and counts them."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.stopped: list[str] = []
        self.open = asyncio.Event()
        self.failure: Exception | None = None
        self.life: timedelta | None = None

    async def __call__(self, key: str) -> Answer:
        self.made.append(key)
        number = len(self.made)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.append(key)
            raise
        if self.failure:
            raise self.failure
        end = datetime.now(UTC) + self.life if self.life else None
        return Answer(body=f"{key}{number}".encode(), expires_at=end)


async def settle() -> None:
    """Let all that can go on without other events do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_once_for_concurrent_requests_and_again_after_its_life() -> None:
    async def run() -> None:
        cook, now = Cook(), 0.0
        answers = Answers(cook, life=30, clock=lambda: now)
        asking = [asyncio.ensure_future(answers.get("a")) for _ in range(50)]
        other = asyncio.ensure_future(answers.get("b"))
        await asyncio.sleep(0)
        cook.open.set()
        assert set(await asyncio.gather(*asking)) == {b"a1"}
        assert await other == b"b2"
        now = 29.9
        assert (answers.kept("a"), await answers.get("a")) == (b"a1", b"a1")
        now = 30
        assert answers.kept("a") is None
        assert await answers.get("a") == b"a3"

    asyncio.run(run())


def test_failures_are_raised_to_all_and_not_cached() -> None:
    async def run() -> None:
        cook = Cook()
        cook.failure = ValueError("no")
        cook.open.set()
        answers = Answers(cook)
        told = await asyncio.gather(*(answers.get("a") for _ in range(3)), return_exceptions=True)
        assert told == [cook.failure] * 3
        cook.failure = None
        assert await answers.get("a") == b"a2"

    asyncio.run(run())


@pytest.mark.parametrize(("life", "made"), [(60, 2), (119, 2), (300, 1), (None, 1)])
def test_urls_that_expire_soon_are_made_again(life: float | None, made: int) -> None:
    async def run() -> None:
        cook = Cook()
        cook.life = None if life is None else timedelta(seconds=life)
        cook.open.set()
        answers = Answers(cook)
        await answers.get("a")
        await answers.get("a")
        assert len(cook.made) == made

    asyncio.run(run())


def test_the_last_request_that_leaves_stops_the_work() -> None:
    async def run() -> None:
        cook = Cook()
        answers = Answers(cook)
        first, second, alone = (asyncio.ensure_future(answers.get(key)) for key in "aab")
        await settle()
        first.cancel()
        alone.cancel()
        await settle()
        assert cook.stopped == ["b"]
        again = asyncio.ensure_future(answers.get("b"))
        await settle()
        cook.open.set()
        assert await second == b"a1"
        assert await again == b"b3"

    asyncio.run(run())


def test_bytes_are_bounded() -> None:
    async def run() -> None:
        cook = Cook()
        cook.open.set()
        answers = Answers(cook, max_bytes=5000)
        for number in range(20):
            await answers.get(str(number))
        assert answers.kept("0") is None
        assert answers.kept("19") == b"1920"

    asyncio.run(run())
