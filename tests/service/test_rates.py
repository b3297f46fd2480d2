"""Rates of keys: counted exactly, and reported with each response."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from astra_xr.errors import InvalidParameter
from astra_xr.secret import Secret
from astra_xr.service.config import ServiceSettings
from astra_xr.service.keys import KeyFile
from astra_xr.service.rates import Limiter
from tests.servers import redis_missing, serve_redis
from tests.service.conftest import SCENE, Served, serving


def left(response: httpx.Response) -> tuple[int, int]:
    """Return the requests that are left, and the seconds until there are more."""
    told = re.fullmatch(r'"requests";r=(\d+);t=(\d+)', response.headers["ratelimit"])
    assert told
    return int(told[1]), int(told[2])


def test_each_answer_to_a_key_has_what_is_left() -> None:
    with serving(rate="5/minute") as served:
        red = f"scene_id={SCENE}&bands=red"
        asked = ("scene_id=x", f"{red}r", red, red, "scene_id=x", "scene_id=x", "scene_id=x")
        answers = [served.ask(query) for query in asked]
        assert [each.status_code for each in answers] == [400, 422, 200, 200, 400, 429, 429]
        assert [left(each)[0] for each in answers] == [4, 3, 2, 1, 0, 0, 0]
        for each in answers:
            assert each.headers["ratelimit-policy"] == '"requests";q=5;w=60'
            assert 0 < left(each)[1] <= 60
        assert int(answers[-1].headers["retry-after"]) == left(answers[-1])[1]
        stranger = served.ask(headers={"Authorization": "Bearer x"})
        href = answers[2].json()["assets"]["B04"]["href"]
        for other in (stranger, httpx.head(href), httpx.get(f"{served.url}/healthz")):
            assert not {"ratelimit", "ratelimit-policy"} & set(other.headers)


def test_the_rate_of_the_service(served: Served) -> None:
    assert served.ask("scene_id=x").headers["ratelimit-policy"] == '"requests";q=1200;w=60'


@pytest.mark.parametrize("rate", ["none", "0"])
def test_no_rate(rate: str, tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    free, bound = file.add("free", rate=rate).reveal(), file.add("bound").reveal()
    for settings, ends in (({"rate": "1/hour"}, 429), ({"rate": rate}, 400)):
        with serving(keys_file=file.path, **settings) as served:
            for key, last in ((free, 400), (bound, ends)):
                answers = [
                    served.ask("scene_id=x", headers={"Authorization": f"Bearer {key}"})
                    for _ in range(3)
                ]
                assert answers[-1].status_code == last
                assert ("ratelimit" in answers[-1].headers) == (last == 429)


@pytest.mark.parametrize("count", [1, 2])
def test_no_request_is_counted_twice_or_not_at_all(count: int) -> None:
    """Of requests side by side each has its own number, also at services that share a counter."""
    if count == 1:
        with serving(rate="40/hour") as served:
            numbers = side_by_side([served])
    elif missing := redis_missing():
        pytest.skip(missing)
    else:
        with (
            serve_redis() as url,
            serving(rate="40/hour", limits_url=url) as one,
            serving(rate="40/hour", limits_url=url, api_keys=(one.key,)) as two,
        ):
            numbers = side_by_side([one, Served(two.url, one.key, [], b"")])
    assert numbers == sorted([*range(40), *[0] * 10])


def side_by_side(services: list[Served]) -> list[int]:
    with ThreadPoolExecutor(5) as pool:
        chosen = [each for each, _ in zip(cycle(services), range(50), strict=False)]
        answers = list(pool.map(lambda each: each.ask("scene_id=x"), chosen))
    assert sorted(each.status_code for each in answers) == [400] * 40 + [429] * 10
    return sorted(left(each)[0] for each in answers)


@pytest.mark.parametrize("rate", ["", "fast", "0/minute", "-1/minute", "1/fortnight"])
def test_what_is_no_rate(rate: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="a rate such as 600/minute, or none"):
        Limiter(Secret("memory://"), rate)
    with pytest.raises(InvalidParameter, match="rate"):
        KeyFile(tmp_path / "keys.json").add("me", rate=rate)


def test_the_variable() -> None:
    assert ServiceSettings.from_env({"ASTRA_RATE": "none"}).rate == "none"
    assert ServiceSettings.from_env({}).rate == "1200/minute"
