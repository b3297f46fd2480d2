"""From a source somewhere to a converted file in a store: looked at, fetched, converted, kept."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cachetools import TTLCache

from astra_xr.conversion.job import Job, looked_at, plain
from astra_xr.conversion.limits import Limits, Progress
from astra_xr.conversion.recipe import FORMATS
from astra_xr.conversion.stores import Store, StoredAsset, only_one, workroom
from astra_xr.conversion.wire import Stopped, Wire
from astra_xr.model import SignedUrl

_FETCHED = 0.4
"""Share of the progress that fetching is told to be."""

_REMEMBERED = 600.0
"""Seconds for which nobody asks whether a source has changed."""

_LOOK = 0.2
"""Seconds between looks at what another process has done."""


@dataclass
class _Flight:
    """A conversion under way, and who waits for it."""

    future: Future[StoredAsset]
    callbacks: list[Progress] = field(default_factory=list)
    waiting: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    wire: Wire | None = None
    """To where it runs, if that is not a thread of ours."""

    def progress(self, share: float) -> None:
        if self.stop.is_set():
            raise Stopped
        for callback in list(self.callbacks):
            callback(share)

    def result(self, progress: Progress | None) -> StoredAsset:
        """Wait for it, and tell of what is done elsewhere."""
        if self.wire is None or progress is None:
            return self.future.result()
        progress(0.0)
        while wait([self.future], timeout=_LOOK).not_done:
            progress(self.wire.told())
        asset = self.future.result()
        progress(1.0)
        return asset

    def end(self) -> None:
        """Stop what is still under way, wherever it runs."""
        self.stop.set()
        self.future.cancel()
        if self.wire is not None:
            self.wire.cut()


class Converter:
    """Converts assets, each once however many ask for it, and keeps them in a store.

    Parameters
    ----------
    store : Store
        Keeps the files.
    folder : Path
        For unfinished work and locks. Processes that share it do not convert the same asset
        twice. For a local store it has to be the store's own.
    executor : concurrent.futures.Executor, optional
        Runs the conversions, each of which has a process of its own in any case; a few threads
        when left out. Another machine's (``dask.distributed.Client.get_executor()``) needs a
        store that both reach, and, to tell of progress and to stop a conversion that nobody waits
        for, a folder that both reach; without, progress is told at the beginning and the end.
    limits : Limits, optional
        What one conversion may take.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        executor: Executor | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits or Limits()
        self._executor = executor
        # One that is done at once calls back in the thread that started it.
        self._lock = threading.RLock()
        self._flights: dict[Job, _Flight] = {}
        self._known: TTLCache[Job, StoredAsset] = TTLCache(4096, _REMEMBERED)

    def __reduce__(self) -> tuple[Any, ...]:
        # An executor stays where it is; threads are everywhere.
        return _arrive, (self.store, self.folder, self.limits)

    @contextmanager
    def started(self, jobs: Iterable[Job]) -> Iterator[Mapping[Job, Future[StoredAsset]]]:
        """Have several jobs under way, so that :meth:`convert` of one need not wait for the last.

        Yields those that are not done yet. At the end of the context, those that nobody waits
        for are stopped.
        """
        with self._lock:
            flights = {job: self._board(job, None) for job in jobs if job not in self._known}
        try:
            yield {job: flight.future for job, flight in flights.items()}
        finally:
            for flight in flights.values():
                self._leave(flight)

    def convert(self, job: Job, progress: Progress | None = None) -> StoredAsset:
        """Return the converted asset; convert it where the store does not have it.

        Parameters
        ----------
        job : Job
            What to convert.
        progress : callable, optional
            Takes the share that is done, 0 to 1. It is called in another thread, or with an
            ``executor`` in this one; not at all where this object knows that the store has the
            asset.

        Raises
        ------
        ConversionFailed
            The source is damaged, too large or nowhere it may be, or the store has no room.
        UpstreamError, SigningError
            The source's storage is down or refuses.
        """
        known = self._remembered(job)
        if known is not None:
            return known
        flight = self._board(job, progress)
        try:
            return flight.result(progress)
        finally:
            self._leave(flight)

    def find(self, job: Job) -> StoredAsset | None:
        """Return what the store has of a job already; None: it has to be converted.

        Raises
        ------
        ConversionFailed, UpstreamError, SigningError
            The source cannot be looked at.
        """
        known = self._remembered(job)
        if known is not None:
            return known
        found = self.store.find(looked_at(job)[1])
        if found is not None:
            with self._lock:
                self._known[job] = found
        return found

    def _remembered(self, job: Job) -> StoredAsset | None:
        with self._lock:
            known = self._known.get(job)
        if known is None or self.store.find(known.key) is not None:
            return known
        with self._lock:
            self._known.pop(job, None)
        return None

    def _leave(self, flight: _Flight) -> None:
        with self._lock:
            flight.waiting -= 1
            if not flight.waiting:
                flight.end()

    def _board(self, job: Job, progress: Progress | None) -> _Flight:
        with self._lock:
            flight = self._flights.get(job)
            if flight is None or flight.stop.is_set():
                flight = _Flight(future=Future())
                flight.future = self._start(job, flight)
                self._flights[job] = flight
                flight.future.add_done_callback(lambda future: self._land(job, future))
            flight.waiting += 1
            if progress:
                flight.callbacks.append(progress)
            return flight

    def _start(self, job: Job, flight: _Flight) -> Future[StoredAsset]:
        arguments = (job, self.store, self.folder, self.limits)
        if self._executor is None:
            return _threads().submit(perform, *arguments, flight.progress)
        flight.wire = Wire.laid(self.folder)
        return self._executor.submit(perform_afar, *arguments, flight.wire)

    def _land(self, job: Job, future: Future[StoredAsset]) -> None:
        with self._lock:
            flight = self._flights.get(job)
            if flight is not None and flight.future is future:
                del self._flights[job]
            if not future.cancelled() and future.exception() is None:
                self._known[job] = future.result()


def _arrive(store: Store, folder: Path, limits: Limits) -> Converter:
    return Converter(store, folder, limits=limits)


def _threads() -> ThreadPoolExecutor:
    return _pool_of(os.getpid())


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool_of(pid: int) -> ThreadPoolExecutor:
    """Return the threads of this process; a fork's are not its parent's."""
    workers = max(2, (os.cpu_count() or 2) // 4)
    return _pools.setdefault(pid, ThreadPoolExecutor(workers, "astra-conversion"))


def perform(
    job: Job,
    store: Store,
    folder: Path,
    limits: Limits,
    progress: Progress | None = None,
) -> StoredAsset:
    """Do one job from end to end, in whatever thread or process this is."""
    progress = progress or (lambda share: None)
    inputs, key = looked_at(job)
    found = store.find(key)
    if found is not None:
        return found
    with only_one(folder, key):
        found = store.find(key)
        if found is not None:
            return found
        fetched = workroom(folder) / f"source-{key.rpartition('-')[2]}"
        done = 0.0 if all(each.source.local for each in inputs) else _FETCHED
        paths = []
        for number, each in enumerate(inputs):

            def fetching(share: float, before: int = number) -> None:
                progress(done * (before + share) / len(inputs))

            paths.append(each.bring(fetched / str(number), job.recipe, limits, fetching))

        def converting(share: float) -> None:
            progress(done + (1 - done) * share)

        try:
            return _made(job, key, paths, store, folder, limits, converting)
        finally:
            # What was fetched is of no more use; what was broken off before is kept, to go on.
            shutil.rmtree(fetched, ignore_errors=True)


def perform_afar(job: Job, store: Store, folder: Path, limits: Limits, wire: Wire) -> StoredAsset:
    """Do one job in another process, or on another machine."""
    return perform(job, store, folder, limits, wire.progress())


def _made(
    job: Job,
    key: str,
    paths: Sequence[Path],
    store: Store,
    folder: Path,
    limits: Limits,
    progress: Progress,
) -> StoredAsset:
    # It brings GDAL along, which resolving alone has no need of.
    from astra_xr.conversion.worker import convert_apart

    kind = FORMATS[job.recipe.format]
    name = f"{plain(job.asset)}.{kind.extension}"
    out = Path(tempfile.mkdtemp(prefix="made-", dir=workroom(folder)))
    try:
        threads = min(4, os.cpu_count() or 1)
        made = convert_apart(
            paths[0], out / name, job.recipe, limits=limits, progress=progress, threads=threads,
            classes=paths[1] if job.classes else None, label=job.label,
        )  # fmt: skip
        details: dict[str, Any] = {"crs": made.crs}
        if made.drawn is not None:
            details |= asdict(made.drawn)
        asset = StoredAsset(
            key=key, name=name, size=made.size, media_type=kind.media_type, details=details
        )
        store.put(asset, out)
        return asset
    finally:
        shutil.rmtree(out, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class ConvertedUrl:
    """Leads to a converted file, which is made when it is first asked for."""

    job: Job
    converter: Converter = field(compare=False, repr=False)

    def __call__(self, *, refused: SignedUrl | None = None) -> SignedUrl:
        """Return a URL that is good for minutes at least."""
        return self.converter.store.url(self.asset())

    def asset(self) -> StoredAsset:
        """Return what the store keeps, converted where it is not there yet."""
        bar = _Bar(self.job.label)
        try:
            return self.converter.convert(self.job, bar)
        finally:
            bar.close()


class _Bar:
    """Shows progress to people, in terminals and notebooks, where it takes more than a second."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None

    def __call__(self, share: float) -> None:
        seen = "ipykernel" in sys.modules or sys.stderr.isatty()
        if self._bar is None and seen:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=100, desc=f"converting {self._label}", unit="%", delay=1, leave=False
            )
        if self._bar is not None:
            self._bar.update(100 * share - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
