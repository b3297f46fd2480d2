"""All exceptions of astra-xr, in one tree.

::

    AstraError
    ├── InvalidSceneId (ValueError)       the text is not a scene id
    ├── InvalidParameter (ValueError)     an argument has an invalid value
    │   └── InvalidFormat                 … of format=
    ├── InvalidDataset (ValueError)       a Dataset lacks what a method needs
    ├── TooLarge (ValueError)             a result is larger than memory, or unreasonably large
    ├── InvalidItem (ValueError)          a STAC item lacks what is needed to open it
    ├── SceneNotFound (LookupError)       no catalog has the scene
    ├── AmbiguousSceneId (LookupError)    the id is a prefix of several scenes
    ├── UnknownBand (LookupError)         the scene has no band of that name
    ├── AmbiguousBand (LookupError)       the name fits several bands
    ├── MixedGrids (ValueError)           bands of several CRSs requested on one grid
    ├── UnknownIndex (LookupError)        no spectral index of that name
    ├── MissingIndexBand (LookupError)    the dataset lacks a band that the index needs
    ├── UpstreamError                     a catalog or signing service fails
    │   ├── UpstreamUnavailable           … is down or answers "too many requests"
    │   │   ├── RateLimited               the resolver service limits an API key
    │   │   └── ConversionsBusy           … has too many conversions waiting
    │   └── UpstreamTimeout               … did not answer in time
    ├── AuthenticationRequired            the resolver service got no valid API key
    ├── Forbidden                         a signed URL is invalid, or has expired
    ├── SigningError                      no URL that storage accepts could be made
    ├── ConversionFailed                  a file could not be made in the requested format
    ├── ReadError                         pixels could not be read
    └── MissingExtra (ImportError)        an optional dependency is not installed

Messages state what was requested, what exists, and what to do. They contain no signature, token or
key: foreign text goes through :func:`redact`.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

# Lengths are bounded, so that any text takes linear time.
_URL = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,19})://(?P<rest>[^\s'\"<>]+)", re.IGNORECASE
)
_ESCAPED_URL = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,19}%3a%2f%2f[^\s'\"<>]+", re.IGNORECASE
)
_WORDS = (
    "signature|token|secret|password|credential|authorization"
    "|(?:api|access|account|subscription)[_-]?key"
)
_SECRET_PAIR = re.compile(
    rf"(?P<name>(?<![\w-])(?:[\w-]{{0,40}}(?:{_WORDS})[\w-]{{0,40}}|sig|key|code|skoid|sktid"
    r"|sharedaccess\w{0,20}|x-(?:amz|goog)-[a-z-]{1,30})['\"]?\s{0,3}(?:=|:|%3D)\s{0,3}['\"]?)"
    r"(?P<value>(?:(?:bearer|basic|token)\s{1,3})?[^\s&'\"<>,;]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?P<name>bearer\s{1,3})[^\s&'\"<>,;]+", re.IGNORECASE)
_API_KEY = re.compile(r"\bastra_sk_\w+")


def redact(text: object) -> str:
    """Return a text or URL without secrets: without queries, user info and keys.

    Parameters
    ----------
    text : object
        A URL, an exception, or any text that may contain URLs.

    Returns
    -------
    str
        The text, in which URLs end before their query, and values of ``sig=``, ``token:`` and the
        like are ``***``.

    Examples
    --------
    >>> redact("GET https://user:pw@store.example/B04.tif?sv=1&sig=abc failed")
    'GET https://store.example/B04.tif failed'
    >>> redact("Authorization: Bearer abc.def")
    'Authorization: ***'
    """

    def bare(match: re.Match[str]) -> str:
        rest = re.split(r"[?#]|%3[Ff]", match["rest"], maxsplit=1)[0]
        host, slash, path = rest.partition("/")
        return f"{match['scheme']}://{host.rpartition('@')[2]}{slash}{path}"

    cleaned = _ESCAPED_URL.sub(lambda match: unquote(match[0]), str(text))
    cleaned = _API_KEY.sub("***", _URL.sub(bare, cleaned))
    cleaned = _SECRET_PAIR.sub(lambda match: f"{match['name']}***", cleaned)
    return _BEARER.sub(lambda match: f"{match['name']}***", cleaned)


def closest(name: str, choices: Iterable[str], count: int = 3) -> list[str]:
    """Return the ``count`` choices that look most like ``name``, best first, ignoring case."""
    by_lower = {choice.lower(): choice for choice in choices}
    hits = difflib.get_close_matches(name.lower(), by_lower, n=4 * count, cutoff=0.5)
    # Swapped letters are the most likely mistake: NVDI for NDVI.
    hits.sort(key=lambda hit: sorted(hit) != sorted(name.lower()))
    return [by_lower[hit] for hit in hits[:count]]


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the closest choice; empty without one."""
    hits = closest(name, choices, 1)
    return f"; did you mean {hits[0]!r}?" if hits else ""


def _did_you_mean(name: str, choices: Iterable[str]) -> str:
    hits = closest(name, choices)
    return f" Did you mean {' or '.join(repr(hit) for hit in hits)}?" if hits else ""


def _one_line(value: object) -> str:
    """Return a repr that fits into a sentence; of tables and Datasets, only their type."""
    text, kind = "\n", type(value)
    with contextlib.suppress(Exception):  # of any object; also of numbers of 4300 digits
        text = redact(repr(value))
    if "\n" in text:
        return f"<{kind.__module__.split('.')[0]}.{kind.__name__}>"
    return text if len(text) <= 200 else f"{text[:199]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith(("the ", "this ")) else text


def _after(hint: str) -> str:
    return f" {hint}" if hint else ""


_TO_WORKERS = "astra_xr.configure(..., client=client) configures all workers too."


def _on_dask_worker() -> bool:
    """Return True in the process of a dask worker, in any of its threads."""
    module = sys.modules.get("distributed.worker")
    return module is not None and bool(list(getattr(module.Worker, "_instances", ())))


def _rebuild(cls: type[AstraError], message: str, state: dict[str, Any]) -> AstraError:
    error = cls.__new__(cls)
    error.args = (message,)
    error.__dict__.update(state)
    return error


def revived(code: str, message: str, state: object) -> AstraError | None:
    """Return the error that a service reported; None if its code is unknown.

    Parameters
    ----------
    code : str
        Code of the error's class.
    message : str
    state : object
        Its attributes, from JSON.
    """
    classes: list[type[AstraError]] = [AstraError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    cls_of = {cls.code: cls for cls in reversed(classes)}
    if code not in cls_of:
        return None
    known = state if isinstance(state, Mapping) else {}
    # JSON lists were tuples; invalid attribute names are dropped.
    attributes = {
        str(name): tuple(value) if isinstance(value, list) else value
        for name, value in known.items()
        if str(name).isidentifier() and not str(name).startswith("_")
    }
    return _rebuild(cls_of[code], redact(message), attributes)


class AstraError(Exception):
    """Base of all errors of this package.

    Attributes
    ----------
    code : str
        Stable name for programs, also over HTTP.
    """

    code: ClassVar[str] = "internal-error"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are sent from dask workers to the caller, and the default pickling does not support
        # keyword-only constructors.
        return _rebuild, (type(self), str(self), dict(self.__dict__))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidSceneId(AstraError, ValueError):
    """The text has none of the forms of a scene id."""

    code = "invalid-scene-id"

    def __init__(
        self, *, scene_id: str, reason: str, forms: Sequence[str] = (), hint: str = ""
    ) -> None:
        """Create it with examples of ids (``forms``), or else with a ``hint``."""
        self.scene_id = redact(scene_id[:200])
        self.reason = redact(reason)
        self.forms = tuple(forms)
        ways = f"Forms that work: {', '.join(forms)}." if forms else hint
        super().__init__(f"{self.scene_id!r} is not a scene id: {self.reason}. {ways}")


class InvalidParameter(AstraError, ValueError):
    """An argument has an invalid value.

    Attributes
    ----------
    name : str
        The parameter.
    value : str
        Its repr, on one line, without secrets.
    expected : str
        Which values are valid.
    reason : str
        What is wrong, if the value does not show it; else empty.
    """

    code = "invalid-parameter"

    def __init__(self, *, name: str, value: object, expected: str, reason: str = "") -> None:
        self.name = name
        self.value = _one_line(value)
        self.expected = expected
        self.reason = redact(reason)
        wrong = f"{self.reason.rstrip('.')}; " if reason else ""
        end = "" if expected.endswith("?") else "."
        super().__init__(f"Invalid {name}={self.value}: {wrong}expected {expected}{end}")


class InvalidFormat(InvalidParameter):
    """The output format is unknown."""

    code = "invalid-format"

    def __init__(self, *, value: object, formats: Sequence[str]) -> None:
        super().__init__(name="format", value=value, expected=f"one of {', '.join(formats)}")


class InvalidDataset(AstraError, ValueError):
    """A Dataset or DataArray lacks something that a method needs."""

    code = "invalid-dataset"

    def __init__(self, *, method: str, needs: str, hint: str) -> None:
        """Create it with the end of "method needs …", and a sentence as ``hint``."""
        self.method = method
        self.needs = redact(needs)
        super().__init__(f"{method} needs {self.needs}. {hint}")


class TooLarge(AstraError, ValueError):
    """A result would be larger than memory, or unreasonably large."""

    code = "too-large"

    def __init__(self, *, what: str, size: str, limit: str, hint: str) -> None:
        self.what = what
        self.size = size
        super().__init__(f"{redact(what)} would take {size}, and {limit}. {hint}")


class InvalidItem(AstraError, ValueError):
    """A STAC item lacks a required field, or has an invalid value."""

    code = "invalid-item"

    def __init__(self, *, item: str, reason: str) -> None:
        self.item = redact(item)
        self.reason = redact(reason)
        super().__init__(f"STAC item {self.item!r} cannot be used: {self.reason.rstrip('.')}.")


class SceneNotFound(AstraError, LookupError):
    """None of the catalogs has the scene."""

    code = "scene-not-found"

    def __init__(self, *, scene_id: str, asked: Sequence[str], hint: str = "") -> None:
        self.scene_id = scene_id
        self.asked = tuple(asked)
        self.hint = hint
        where = f" in {', '.join(asked)}" if asked else ": no catalog has this kind of scene"
        super().__init__(f"No scene {scene_id!r} found{where}.{_after(hint)}")


class AmbiguousSceneId(AstraError, LookupError):
    """The id is the beginning of several scenes' ids."""

    code = "ambiguous-scene-id"

    def __init__(self, *, scene_id: str, candidates: Sequence[str]) -> None:
        self.scene_id = scene_id
        self.candidates = tuple(candidates)
        shown = "\n  ".join(self.candidates[:20])
        more = len(self.candidates) - 20
        super().__init__(
            f"{scene_id!r} matches {len(self.candidates)} scenes. Use one of them:\n  {shown}"
            + (f"\n  … and {more} more" if more > 0 else "")
        )


class UnknownBand(AstraError, LookupError):
    """The scene has no band of that name."""

    code = "unknown-band"

    def __init__(self, *, band: str, scene: str, available: Mapping[str, str | None]) -> None:
        """Create it with the scene's bands: native name → common name, or None."""
        self.band = redact(band)[:80]
        self.scene = scene
        self.available = dict(available)
        names = [*available, *(common for common in available.values() if common)]
        listed = ", ".join(f"{n} ({c})" if c else n for n, c in available.items())
        super().__init__(
            f"{_capital(scene)} has no band {self.band!r}.{_did_you_mean(self.band, names)} "
            + (
                f"Bands, native (common): {listed}."
                if listed
                else "None of its assets is a raster that can be opened."
            )
        )


class AmbiguousBand(AstraError, LookupError):
    """The name fits several bands of the scene."""

    code = "ambiguous-band"

    def __init__(self, *, band: str, scene: str, candidates: Mapping[str, str]) -> None:
        """Create it with native name → distinguishing property, e.g. wavelength."""
        self.band = band
        self.scene = scene
        self.candidates = dict(candidates)
        listed = ", ".join(f"{name} ({what})" for name, what in candidates.items())
        super().__init__(f"{band!r} fits several bands of {scene}: {listed}. Use one of them.")


class MixedGrids(AstraError, ValueError):
    """Bands in several CRSs were requested on one grid."""

    code = "mixed-grids"

    def __init__(
        self, *, scene: str, bands: Mapping[str, str], hint: str = "Open one group at a time."
    ) -> None:
        """Create it with band (or scene) → CRS."""
        self.scene = scene
        self.bands = dict(bands)
        groups: dict[str, list[str]] = {}
        for name, crs in bands.items():
            groups.setdefault(crs, []).append(name)
        listed = "; ".join(f"{crs}: {', '.join(names)}" for crs, names in sorted(groups.items()))
        super().__init__(
            f"The bands of {scene} have several CRSs ({listed}), and a Dataset has one. {hint}"
        )


class UnknownIndex(AstraError, LookupError):
    """There is no spectral index of that name."""

    code = "unknown-index"

    def __init__(self, *, index: str, known: Iterable[str]) -> None:
        self.index = index
        self.suggestions = tuple(closest(index, known))
        super().__init__(
            f"There is no spectral index {index!r}.{_did_you_mean(index, self.suggestions)} "
            "All names: spyndex.indices."
        )


class MissingIndexBand(AstraError, LookupError):
    """A spectral index needs a band that the Dataset lacks, or a constant without a value."""

    code = "missing-index-band"

    def __init__(self, *, index: str, missing: Sequence[str], formula: str, hint: str) -> None:
        self.index = index
        self.missing = tuple(missing)
        self.formula = formula
        super().__init__(f"{index} = {formula} needs {', '.join(missing)}. {hint}")


class UpstreamError(AstraError):
    """A catalog or signing service failed, or returned an invalid response."""

    code = "upstream-error"
    status: int | None = None  # HTTP
    _hint: ClassVar[str] = "Try again, or name another catalog with catalog=."

    def __init__(
        self, *, service: str, reason: str, retry_after: float | None = None, hint: str = ""
    ) -> None:
        """Create it with the seconds to wait (``retry_after``), if the service reported them."""
        self.service = service
        self.reason = redact(reason)
        self.retry_after = retry_after
        wait = f", retry after {retry_after:g} s" if retry_after is not None else ""
        super().__init__(f"{_capital(service)}: {self.reason}{wait}. {hint or self._hint}")


class UpstreamUnavailable(UpstreamError):
    """A service is down, unreachable, or refuses further requests for a while."""

    code = "upstream-unavailable"


class UpstreamTimeout(UpstreamError):
    """A service did not answer in time."""

    code = "upstream-timeout"


class RateLimited(UpstreamUnavailable):
    """The resolver service limits the requests of an API key."""

    code = "rate-limited"


class ConversionsBusy(UpstreamUnavailable):
    """The resolver service has too many conversions waiting, of an API key or in all."""

    code = "conversions-busy"


class AuthenticationRequired(AstraError):
    """The resolver service received no API key, or an invalid one."""

    code = "authentication-required"

    def __init__(self, *, service: str, hint: str = "") -> None:
        if _on_dask_worker():
            hint = f"{hint} This dask worker has none. {_TO_WORKERS}".strip()
        self.service = service
        self.hint = hint
        super().__init__(f"{service} requires a valid API key.{_after(hint)}")


class Forbidden(AstraError):
    """Access to a resource is refused."""

    code = "forbidden"

    def __init__(self, *, reason: str) -> None:
        self.reason = redact(reason)
        super().__init__(self.reason)


class SigningError(AstraError):
    """No URL that the storage accepts could be signed."""

    code = "signing-failed"

    def __init__(self, *, href: str, reason: str, hint: str, no_keys: bool = False) -> None:
        """Create it with ``no_keys`` True if the user's credentials are missing."""
        if no_keys and _on_dask_worker():
            reason, hint = f"{reason} on this dask worker", f"{hint} {_TO_WORKERS}"
        self.href = redact(href)
        self.reason = redact(reason)
        super().__init__(f"{self.href} cannot be signed: {self.reason}. {hint}")


class ConversionFailed(AstraError):
    """A file could not be converted; no partial file remains."""

    code = "conversion-failed"

    def __init__(self, *, source: str, reason: str, hint: str = "", to: str = "converted") -> None:
        """Create it with scene and band, or a file's name, as ``source``."""
        self.source = redact(source)
        self.reason = redact(reason)
        super().__init__(f"{self.source} cannot be {to}: {self.reason}.{_after(hint)}")


class ReadError(AstraError):
    """Pixels could not be read."""

    code = "read-failed"

    def __init__(self, *, source: str, href: str, reason: str, hint: str = "") -> None:
        """Create it with scene id and band as ``source``."""
        self.source = source
        self.href = redact(href)
        self.reason = redact(reason).rstrip(".")
        place = f" from {self.href}" if href else ""
        super().__init__(f"Could not read {source}{place}: {self.reason}.{_after(hint)}")


class MissingExtra(AstraError, ImportError):
    """An optional dependency is not installed."""

    code = "missing-extra"

    def __init__(self, *, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{purpose} needs {package}, which is not installed: pip install 'astra-xr[{extra}]'"
        )


def __dir__() -> list[str]:
    return sorted(
        name
        for name, each in globals().items()
        if isinstance(each, type) and issubclass(each, AstraError)
    )
