"""Hedged requests: which catalog is queried when, which answer is used, and why not the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from astra_xr.errors import SceneNotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from astra_xr.net.retries import Retryable, with_retries
from astra_xr.resolver.race import Finish, Gate, Runner, race

LONG = 60.0


class Field:
    """Catalogs that answer, fail or hang, and which of them were queried."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.end = threading.Event()
        self.gates: dict[str, Gate] = {}

    def runner(self, name: str, act: Callable[[], str]) -> Runner[str]:
        def ask() -> str:
            self.asked.append(name)
            return act()

        gate = self.gates.setdefault(name, Gate(slots=2))
        return Runner(name=name, title=name.upper(), ask=ask, gate=gate)

    def answers_after(self, name: str, other: str) -> Runner[str]:
        """Answer once another has been asked and its answer or failure is known to the race."""

        def wait() -> str:
            while other not in self.asked or threads_of(other):
                time.sleep(0.01)
            return f"by {name}"

        return self.runner(name, wait)

    def hangs(self, name: str) -> Runner[str]:
        def wait() -> str:
            self.end.wait()
            return "late"

        return self.runner(name, wait)

    def answers(self, name: str) -> Runner[str]:
        return self.runner(name, lambda: f"by {name}")

    def fails(self, name: str, error: Exception | None = None) -> Runner[str]:
        def fail() -> str:
            raise error or UpstreamUnavailable(service=name, reason="down")

        return self.runner(name, fail)

    def run(self, *runners: Runner[str], timeout: float = LONG, hedge: float = LONG) -> Finish[str]:
        passed = (UpstreamError, SceneNotFound)
        return race(runners, timeout=timeout, hedge=hedge, passed_over=passed)


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == f"astra-xr asks {name}"]


@pytest.fixture
def field() -> Iterator[Field]:
    field = Field()
    yield field
    field.end.set()


def test_the_first_is_preferred_and_no_other_is_queried(field: Field) -> None:
    finish = field.run(field.answers("a"), field.answers("b"))
    assert (finish.winner, finish.answer, finish.failures) == ("a", "by a", {})
    assert field.asked == ["a"]


def test_after_a_failure_the_next_is_queried_at_once(field: Field) -> None:
    nothing = SceneNotFound(scene_id="x", asked=["B"])
    finish = field.run(field.fails("a"), field.fails("b", nothing), field.answers("c"))
    assert finish.winner == "c"
    assert list(finish.failures) == ["a", "b"]
    assert finish.failures["b"] is nothing


def test_while_one_is_silent_the_next_is_queried_too(field: Field) -> None:
    finish = field.run(field.hangs("a"), field.hangs("b"), field.answers("c"), hedge=0.01)
    assert finish.winner == "c"
    assert finish.failures == {}  # the two may still be at it


def test_while_one_retries_the_next_is_queried_too(field: Field) -> None:
    down = UpstreamUnavailable(service="A", reason="down (HTTP 503)")

    def patient() -> str:
        return with_retries("a.example", lambda: Retryable(error=down))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTRA_PATIENCE", "3600")
        finish = field.run(field.runner("a", patient), field.answers("b"))
        assert finish.winner == "b"
        assert finish.failures == {"a": down}
        finish = field.run(field.runner("a", patient), field.hangs("b"), timeout=1.5, hedge=0.01)
    assert finish.failures["a"] is down


def test_a_failure_beside_a_silent_one_brings_in_the_next(field: Field) -> None:
    runners = (field.hangs("a"), field.fails("b"), field.answers_after("c", "b"))
    finish = field.run(*runners, hedge=0.01)
    assert (finish.winner, list(finish.failures)) == ("c", ["b"])


def test_the_slow_one_may_still_win(field: Field) -> None:
    nothing = SceneNotFound(scene_id="x", asked=["B"])
    finish = field.run(field.answers_after("a", "b"), field.fails("b", nothing), hedge=0.01)
    assert (finish.winner, list(finish.failures)) == ("a", ["b"])


def test_no_catalog_answers_in_time(field: Field) -> None:
    finish = field.run(field.hangs("a"), field.hangs("b"), timeout=0.05, hedge=0.01)
    assert finish.winner is None
    assert sorted(finish.failures) == ["a", "b"]
    for error in finish.failures.values():
        assert isinstance(error, UpstreamTimeout)
        assert "did not answer within 0.05 s" in str(error)


def test_one_alone_keeps_its_own_time_in_the_callers_thread(field: Field) -> None:
    here = threading.current_thread().name
    alone = field.runner("a", lambda: threading.current_thread().name)
    assert field.run(alone, timeout=0).answer == here
    finish = field.run(field.fails("a"))
    assert (finish.winner, list(finish.failures)) == (None, ["a"])


def test_no_catalog_to_query(field: Field) -> None:
    assert field.run() == Finish(winner=None, answer=None, failures={})


@pytest.mark.parametrize("count", [1, 2])
def test_what_would_be_the_same_everywhere_is_raised(field: Field, count: int) -> None:
    runners = [field.fails("a", ValueError("odd")), field.answers("b")][:count]
    with pytest.raises(ValueError, match="odd"):
        field.run(*runners)
    assert field.asked == ["a"]


def test_waiting_for_a_slot_of_one_who_answers_is_not_its_silence(field: Field) -> None:
    # Two at a time, 0.1 s each: the last of forty wait longer than the hedge.
    pause = threading.Event()
    inside: list[int] = []
    lock = threading.Lock()

    def act() -> str:
        with lock:
            inside.append(1)
            most.append(len(inside))
        pause.wait(0.1)
        with lock:
            inside.pop()
        return "by a"

    most: list[int] = []
    runners = (field.runner("a", act), field.answers("b"))
    with ThreadPoolExecutor(40) as pool:
        jobs = [pool.submit(field.run, *runners, hedge=1.5) for _ in range(40)]
        assert {job.result().winner for job in jobs} == {"a"}
    assert max(most) == 2
    assert "b" not in field.asked


def test_a_queue_before_one_who_hangs_is_left(field: Field) -> None:
    def patient() -> str:
        while field.asked.count("a") < 2:
            time.sleep(0.01)
        return "by b"

    runners = (field.hangs("a"), field.runner("b", patient))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(field.run, *runners, hedge=0.02) for _ in range(8)]
        assert {job.result().winner for job in jobs} == {"b"}
    # Those who waited for a slot are gone: they never bother it.
    assert field.asked.count("a") == 2
    field.end.set()
    for thread in threads_of("a"):
        thread.join(60)
    assert field.asked.count("a") == 2
