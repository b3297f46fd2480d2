"""Whose conversion is next: keys take turns, and none fills the queue for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from astra_xr.errors import ConversionsBusy
from astra_xr.service.turns import Turn, Turns


def begun(*turns: Turn) -> list[bool]:
    return [turn.coming.done() for turn in turns]


def within_a_loop(test: Callable[[], None]) -> Callable[[], None]:
    async def run() -> None:
        test()

    return lambda: asyncio.run(run())


def turns(**changes: Any) -> Turns:
    return Turns(**{"at_once": 2, "per_key": 20, "in_all": 50, **changes})


@within_a_loop
def test_a_key_that_comes_later_begins_at_once() -> None:
    order = turns()
    a = order.join("a", range(20))
    assert begun(*a[:3]) == [True, True, False]
    (b,) = order.join("b", ["b"])
    assert begun(b) == [True]
    order.leave(b)
    # The place beside the others was for the first one of a key alone.
    assert begun(*a[:3]) == [True, True, False]


@within_a_loop
def test_keys_take_turns() -> None:
    order = turns(at_once=1)
    a, b, c = (order.join(key, [key + n for n in "123"]) for key in "abc")
    came = []
    for _ in range(9):
        first = next(t for each in zip(a, b, c, strict=True) for t in each
                     if t.coming.done() and t not in came)  # fmt: skip
        came.append(first)
        order.leave(first)
    assert sorted("".join(turn.key for turn in came[i : i + 3]) for i in (0, 3, 6)) == ["abc"] * 3


@within_a_loop
def test_no_key_can_fill_the_queue() -> None:
    now = [0.0]
    order = turns(clock=lambda: now[0])
    a = order.join("a", range(30))  # the bands of one scene, however many
    with pytest.raises(ConversionsBusy, match="28 conversions of this key are waiting") as caught:
        order.join("a", ["one more"])
    assert caught.value.retry_after == 70.0  # 28 of 5 s each, two at once
    order.join("b", range(100, 121))
    with pytest.raises(ConversionsBusy, match="48 conversions are waiting"):
        order.join("c", "1234")
    now[0] = 1000.0
    for turn in a[:2]:
        order.leave(turn)
    with pytest.raises(ConversionsBusy) as caught:
        order.join("a", ["one more"])
    assert caught.value.retry_after == 300.0  # at most
    for turn in a:
        order.leave(turn)
    order.join("a", ["one more"])


@within_a_loop
def test_who_hangs_up_leaves_no_gap() -> None:
    order = turns(at_once=1)
    gone, there = order.join("a", "123"), order.join("a", "4")
    for turn in gone:
        turn.coming.cancel()
        order.leave(turn)
        order.leave(turn)
    assert begun(*there) == [True]
    order.leave(there[0])
    assert begun(*order.join("a", "5")) == [True]


@within_a_loop
def test_one_conversion_is_one_however_many_wait() -> None:
    order = turns(at_once=1, per_key=3)
    (first,) = order.join("a", ["in the way"])
    here = [order.join("a", ["same"])[0] for _ in range(12)]
    order.leave(first)
    assert begun(*here) == [True] * 12
    (b,) = order.join("b", ["same"])
    assert begun(b) == [True]
    order.leave(b)
    last = order.join("a", ["same", "other"])
    assert begun(*last) == [True, False]
    for turn in here:
        order.leave(turn)
    # Somebody still waits for it.
    assert begun(last[1]) == [False]
    order.leave(last[0])
    assert begun(last[1]) == [True]
