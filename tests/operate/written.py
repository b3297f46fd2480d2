"""What docs/operating.md and the Dockerfile say: commands, files and settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operating.md"

_BLOCK = re.compile(r"^## (?P<section>[^\n]*)$|^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code of the page."""

    section: str
    kind: str
    text: str

    file: str | None
    """The file that it is; None: it is none."""


def blocks() -> Iterator[Block]:
    """Yield the blocks of the page."""
    page, section = PAGE.read_text("utf-8"), ""
    for found in _BLOCK.finditer(page):
        if found["section"]:
            section = found["section"]
            continue
        before = page[: found.start()].rstrip().rpartition("\n")[2]
        named = re.search(r"`(/[^`]+)`:$", before)
        yield Block(
            section=section, kind=found["kind"], text=found["text"], file=named and named[1]
        )


def in_section(section: str) -> list[Block]:
    """Return the blocks of a section.

    Raises
    ------
    LookupError
        There are none.
    """
    found = [block for block in blocks() if block.section == section]
    if not found:
        raise LookupError(f"docs/operating.md has no code in {section!r}")
    return found


def commands(section: str) -> list[str]:
    """Return the commands of a section, each on a line of its own."""
    texts = [block.text for block in in_section(section) if block.kind == "console"]
    return "".join(texts).splitlines()


def settings(section: str) -> dict[str, str]:
    """Return the environment variables that a section has in ``service.env``."""
    files = [block for block in in_section(section) if block.file == "/etc/astra-xr/service.env"]
    return dict(line.split("=", 1) for block in files for line in block.text.splitlines())


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """The instructions of the Dockerfile, in both of its stages."""

    instructions: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls) -> Dockerfile:
        text = (ROOT / "Dockerfile").read_text("utf-8")
        text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
        lines = [line.split(maxsplit=1) for line in text.splitlines() if line]
        return cls(instructions=tuple((name, rest) for name, rest in lines))

    def all(self, name: str) -> list[str]:
        """Return the arguments of each instruction of a name."""
        return [rest for each, rest in self.instructions if each == name]

    @property
    def environment(self) -> dict[str, str]:
        """What it sets, but for the PATH."""
        pairs = (pair.split("=", 1) for rest in self.all("ENV") for pair in rest.split())
        return {name: value for name, value in pairs if name != "PATH"}

    @property
    def command(self) -> list[str]:
        """What a container runs."""
        return [*json.loads(self.all("ENTRYPOINT")[0]), *json.loads(self.all("CMD")[0])]

    @property
    def health(self) -> list[str]:
        """The command that checks its health."""
        command: list[str] = json.loads(self.all("HEALTHCHECK")[0].partition(" CMD ")[2])
        return command
