"""The wire to a conversion in another process, or on another machine: a small file that both reach.

There stands the share that is done; once the file is gone, nobody waits for the rest.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from astra_xr.conversion.limits import Progress
from astra_xr.conversion.stores import workroom


class Stopped(Exception):
    """Nobody waits for the conversion any more."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Tells the one side what is done, and the other whether to go on."""

    path: Path

    @classmethod
    def laid(cls, folder: Path) -> Wire:
        """Lay one, on the side that waits, below a folder that the other side reaches.

        Where nothing can be written there, it leads nowhere: no share is told.
        """
        try:
            handle, path = tempfile.mkstemp(prefix="told-", dir=workroom(folder))
        except OSError:
            return cls(path=folder / "nowhere")
        os.close(handle)
        return cls(path=Path(path))

    def told(self) -> float:
        """Return the share that is done, 0 to 1, as far as is known here."""
        try:
            return float(self.path.read_bytes())
        except (OSError, ValueError):
            return 0.0

    def cut(self) -> None:
        """Tell the other side to stop, if it is still at work."""
        with contextlib.suppress(OSError):
            self.path.unlink()

    def progress(self) -> Progress:
        """Return what tells the side that waits; it raises `Stopped` where nobody does.

        Where the folder turns out to be another on this machine, it does neither.
        """
        if not self.path.exists():
            return lambda share: None

        def tell(share: float) -> None:
            gone = False
            try:
                with self.path.open("r+b") as file:
                    file.write(b"%.4f" % share)
            except FileNotFoundError:
                gone = True
            except OSError:
                # Full, or of another owner: the work is worth more than word of it.
                pass
            if gone:
                raise Stopped

        return tell
