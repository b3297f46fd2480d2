"""The memo: bounded, short-lived, and each entry made once."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any

import pytest

from astra_xr.errors import UpstreamTimeout
from astra_xr.net.memo import Memo
from astra_xr.net.retries import TimeLimit, time_limited


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """One for each caller that has come to wait for another's entry."""
    come = threading.Semaphore(0)

    def told(*args: Any) -> Any:
        come.release()
        return wait(*args)

    monkeypatch.setattr("astra_xr.net.memo.wait", told)
    return come


def test_entries_live_for_a_time_and_the_least_used_goes_first() -> None:
    seconds = [0.0]
    memo: Memo[str, int] = Memo(size=2, life=10, clock=lambda: seconds[0])
    made: list[str] = []

    def get(key: str) -> int:
        return memo.get(key, lambda: made.append(key) or len(made))  # type: ignore[func-returns-value]

    assert [get("a"), get("b"), get("a")] == [1, 2, 1]
    assert get("c") == 3  # b goes: a was used since
    assert [get("a"), get("b")] == [1, 4]
    seconds[0] = 10.5
    assert get("b") == 5
    memo.put("x", 7)
    assert get("x") == 7


def test_made_once_for_all_who_wait() -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()
    made: list[int] = []

    def make() -> int:
        begun.set()
        go.wait()
        made.append(1)
        return 5

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(memo.get, "a", make)]
        begun.wait()
        jobs += [pool.submit(memo.get, "a", make) for _ in range(7)]
        go.set()
        assert [job.result() for job in jobs] == [5] * 8
    assert made == [1]


def test_failures_are_shared_but_not_cached() -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()

    def fail() -> int:
        begun.set()
        go.wait()
        raise LookupError("nothing")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo.get, "a", fail)
        begun.wait()
        second = pool.submit(memo.get, "a", fail)
        go.set()
        for job in (first, second):
            with pytest.raises(LookupError, match="nothing"):
                job.result()
    assert memo.get("a", lambda: 3) == 3


@pytest.mark.parametrize("failures", [0.0, 60.0])
def test_a_failure_for_lack_of_time_is_not_that_of_callers_with_more(
    failures: float, waiting: threading.Semaphore
) -> None:
    memo: Memo[str, int] = Memo(size=2, life=10, failures=failures)
    begun, go = threading.Event(), threading.Event()

    def late() -> int:
        begun.set()
        go.wait()
        raise UpstreamTimeout(service="a login", reason="no answer")

    def get(seconds: float) -> int:
        with time_limited(TimeLimit(until=time.monotonic() + seconds)):
            return memo.get("a", late)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(get, 1)
        begun.wait()
        alike, patient = pool.submit(get, 1.1), pool.submit(memo.get, "a", lambda: 3)
        for _ in (alike, patient):
            waiting.acquire()
        go.set()
        for job in (first, alike):
            with pytest.raises(UpstreamTimeout):
                job.result()
        assert patient.result() == 3
    with pytest.raises(UpstreamTimeout):
        memo.get("b", late)
    with pytest.raises(UpstreamTimeout) if failures else nullcontext():
        assert memo.get("b", lambda: 4) == 4


def test_a_caller_waits_for_another_no_longer_than_it_has_time() -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go.wait()
        return 5

    def late() -> int:
        raise UpstreamTimeout(service="a login", reason="no time left")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(memo.get, "a", slow)
        begun.wait()
        late_end = threading.Timer(60, go.set)
        late_end.start()
        limit = time_limited(TimeLimit(until=time.monotonic() + 0.1))
        with limit, pytest.raises(UpstreamTimeout, match="no time left"):
            memo.get("a", late)
        go.set()
        late_end.cancel()
        assert first.result() == 5
    assert memo.get("a", late) == 5


def test_a_timeout_of_the_work_itself_is_raised_by_all_who_wait_for_it(
    waiting: threading.Semaphore,
) -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()

    def stalled() -> int:
        begun.set()
        go.wait()
        raise TimeoutError("no answer of DNS")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo.get, "a", stalled)
        begun.wait()
        with time_limited(TimeLimit(until=time.monotonic() + 60)):
            second = pool.submit(copy_context().run, memo.get, "a", lambda: 4)
        waiting.acquire()
        go.set()
        for job in (first, second):
            with pytest.raises(TimeoutError, match="no answer of DNS"):
                job.result()


def test_one_who_is_interrupted_leaves_the_work_to_the_others() -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()

    def stopped() -> int:
        begun.set()
        go.wait()
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo.get, "a", stopped)
        begun.wait()
        second = pool.submit(memo.get, "a", lambda: 4)
        go.set()
        assert isinstance(first.exception(), KeyboardInterrupt)
        assert second.result() == 4


def test_each_entry_may_have_a_life_of_its_own() -> None:
    seconds = [0.0]
    memo: Memo[str, float] = Memo(size=9, life=lambda entry: entry, clock=lambda: seconds[0])
    made: list[str] = []

    def get(key: str, life: float) -> float:
        return memo.get(key, lambda: made.append(key) or life)  # type: ignore[func-returns-value]

    for _ in range(2):
        assert [get("short", 5), get("ever", math.inf), get("none", 0), get("past", -1)] == [
            5, math.inf, 0, -1,
        ]  # fmt: skip
        seconds[0] += 4
    assert made == ["short", "ever", "none", "past", "none", "past"]
    get("short", 5)
    get("ever", math.inf)
    assert made[6:] == ["short"]


def test_a_refused_entry_is_replaced_once_for_all_callers() -> None:
    memo: Memo[str, int] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    def slowly() -> int:
        begun.set()
        go.wait()
        return make()

    assert memo.get("a", make) == 0
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(memo.get, "a", slowly, lambda kept: kept == 0)]
        begun.wait()
        # Who comes meanwhile does not get the one that was refused, whether they held it or not.
        jobs += [pool.submit(memo.get, "a", make, lambda kept: kept == 0) for _ in range(4)]
        jobs += [pool.submit(memo.get, "a", make) for _ in range(3)]
        go.set()
        assert [job.result() for job in jobs] == [1] * 8
    assert memo.get("a", make, lambda kept: kept == 0) == 1
    assert made == [0, 1]


def test_an_entry_being_made_when_the_cache_is_cleared_is_not_cached() -> None:
    memo: Memo[str, str] = Memo(size=2, life=10)
    begun, go = threading.Event(), threading.Event()

    def old() -> str:
        begun.set()
        go.wait()
        return "old"

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(memo.get, "a", old)
        begun.wait()
        memo.clear()
        assert memo.get("a", lambda: "new") == "new"
        go.set()
        assert job.result() == "old"
    assert memo.get("a", lambda: "newer") == "new"
