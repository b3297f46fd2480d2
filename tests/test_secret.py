"""A secret shows itself nowhere, travels nowhere, and is plain by one method."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

from astra_xr.secret import Secret, plain

HUSH = "hUsH0123"


@dataclasses.dataclass(frozen=True)
class Held:
    key: Secret[str]


@pytest.mark.parametrize("value", [HUSH, HUSH.encode()])
def test_it_is_never_shown(value: Any) -> None:
    key = Secret(value)
    shown = [
        repr(key),
        str(key),
        f"{key}",
        f"{key:>20}",
        f"{[key]} {Held(key)}",
    ]
    assert HUSH not in " ".join(shown)
    assert not hasattr(key, "__dict__")
    assert key.reveal() == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    for each in (Secret(HUSH), Held(Secret(HUSH)), [Secret(HUSH)]):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(each, protocol)
    with pytest.raises(TypeError):
        json.dumps(Secret(HUSH))


def test_it_is_a_value() -> None:
    key = Secret(HUSH)
    assert key == Secret(HUSH) == copy.copy(key) == copy.deepcopy(key)
    assert key != Secret("other")
    assert key != HUSH
    assert hash(key) == hash(Secret(HUSH)) != hash(HUSH)
    assert key
    assert not Secret("")
    assert Secret.of(key) is key
    assert Secret.of(HUSH) == key
    assert plain(key) == plain(HUSH) == HUSH
    assert dataclasses.asdict(Held(key)) == {"key": key}
