"""Functions beside the loop that wait for reads themselves."""

from __future__ import annotations

import pytest

from astra_xr.reading.loop import in_own_thread, run, together


def test_functions_that_wait_for_reads_do_not_wait_for_one_another() -> None:
    def compute(depth: int, number: int) -> int:
        return run(in_own_thread(compute, depth - 1, number)) + 1 if depth else number

    async def many() -> list[int]:
        return await together(in_own_thread(compute, 3, number) for number in range(50))

    assert run(many()) == [number + 3 for number in range(50)]


def test_failures_and_options_pass() -> None:
    assert run(in_own_thread(sorted, [1, 3, 2], reverse=True)) == [3, 2, 1]
    with pytest.raises(ValueError, match="invalid literal"):
        run(in_own_thread(int, "x"))
