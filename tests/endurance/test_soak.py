"""The soak itself: it has a floor."""

from __future__ import annotations

from tests.soak import soak


def test_a_catalog_that_always_fails_is_reported() -> None:
    tally = soak(8, 4, 100, failing=1.0)
    low = " ".join(tally.below_the_floor())
    assert tally.failed > 0
    assert "of all answers" in low
    assert "nothing direct" in low
