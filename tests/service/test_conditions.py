"""Conditional requests and byte ranges of files, as RFC 9110 has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.service.conftest import SCENE, Served, serving

Headers = dict[str, str] | list[tuple[str, str]]
PAST, FUTURE = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2049 23:59:59 GMT"

# In the values {tag} is the file's ETag, {date} its Last-Modified, and {size} its bytes.
CONDITIONS: list[tuple[Headers, int]] = [
    # 13.1.1: strong comparison, so that no weak tag matches.
    ({"If-Match": "{tag}"}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": '"other", {tag}'}, 200),
    ([("If-Match", '"other"'), ("If-Match", "{tag}")], 200),
    ({"If-Match": ', "a,b" ,,{tag},'}, 200),
    ({"If-Match": '"other"'}, 412),
    ({"If-Match": "W/{tag}"}, 412),
    ({"If-Match": ""}, 412),
    ({"If-Match": "nonsense"}, 412),
    ({"If-Match": '"zzz"', "Range": "bytes=0-9"}, 412),
    ({"If-Match": "{tag}", "Range": "bytes=0-9"}, 206),
    # 13.1.2: weak comparison.
    ({"If-None-Match": "{tag}"}, 304),
    ({"If-None-Match": "W/{tag}"}, 304),
    ({"If-None-Match": '"other", W/{tag}'}, 304),
    ([("If-None-Match", "{tag}"), ("If-None-Match", '"other"')], 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"other"'}, 200),
    ({"If-None-Match": "{tag}x"}, 200),
    ({"If-None-Match": "{tag}", "Range": "bytes=0-9"}, 304),
    # 13.1.3
    ({"If-Modified-Since": "{date}"}, 304),
    ({"If-Modified-Since": FUTURE}, 304),
    ({"If-Modified-Since": PAST}, 200),
    ({"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 200),
    ({"If-Modified-Since": "Fri Dec 31 23:59:59 2049"}, 304),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-Modified-Since": "Fri, 31 Dec 2049 23:59:59 +0500"}, 200),
    ({"If-Modified-Since": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"}, 200),
    ({"If-Modified-Since": "Fri Dec 31 23:59:59 99999999999999999999"}, 200),
    ([("If-Modified-Since", FUTURE), ("If-Modified-Since", FUTURE)], 200),
    # 13.1.4
    ({"If-Unmodified-Since": "{date}"}, 200),
    ({"If-Unmodified-Since": FUTURE}, 200),
    ({"If-Unmodified-Since": PAST}, 412),
    ({"If-Unmodified-Since": "tomorrow"}, 200),
    ({"If-Unmodified-Since": PAST, "Range": "bytes=0-9"}, 412),
    # 13.2.2: a tag goes before a date, and what may not be before what need not be sent.
    ({"If-Match": "{tag}", "If-Unmodified-Since": PAST}, 200),
    ({"If-None-Match": '"other"', "If-Modified-Since": FUTURE}, 200),
    ({"If-Match": '"other"', "If-None-Match": "{tag}"}, 412),
    ({"If-Unmodified-Since": PAST, "If-Modified-Since": FUTURE}, 412),
    ({"If-Match": "{tag}", "If-None-Match": "{tag}"}, 304),
    # 13.1.5: the very tag, strong, or the very date.
    ({"Range": "bytes=0-9", "If-Range": "{tag}"}, 206),
    ({"Range": "bytes=0-9", "If-Range": "{date}"}, 206),
    ({"Range": "bytes=0-9", "If-Range": "W/{tag}"}, 200),
    ({"Range": "bytes=0-9", "If-Range": '"old"'}, 200),
    ({"Range": "bytes=0-9", "If-Range": FUTURE}, 200),
    ({"Range": "bytes=0-9", "If-Range": "*"}, 200),
    ({"Range": "bytes={size}-", "If-Range": '"old"'}, 200),
    ({"If-Range": "{tag}"}, 200),
    # 14.2: a range that is none is ignored; one beyond the end is not.
    ({"Range": "bytes=100-199"}, 206),
    ({"Range": "BYTES=100-199"}, 206),
    ({"Range": "bytes= 0-9"}, 206),
    ({"Range": "bytes=-50"}, 206),
    ({"Range": "bytes=-9999999999"}, 206),
    ({"Range": "bytes=10-"}, 206),
    ({"Range": "bytes=0-9999999999"}, 206),
    ({"Range": "bytes={size}-"}, 416),
    ({"Range": "bytes=9999999999-"}, 416),
    ({"Range": "bytes=-0"}, 416),
    *(
        ({"Range": odd}, 200)
        for odd in ("bytes=9-1", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "=", "bytes",
                    "bytes=0x0-9", "bytes=+1-9", "bytes=-" + "9" * 40, "bytes=1 -2")
    ),
    ([("Range", "bytes=0-1"), ("Range", "bytes=0-1")], 200),
]  # fmt: skip


@dataclass(frozen=True)
class File:
    """A file that is served."""

    served: Served
    client: httpx.Client
    href: str
    content: bytes
    tag: str
    date: str

    def ask(self, method: str, headers: Headers) -> httpx.Response:
        given = headers.items() if isinstance(headers, dict) else headers
        words = {"{tag}": self.tag, "{date}": self.date, "{size}": str(len(self.content))}
        told = [(n, re.sub(r"\{\w+\}", lambda m: words[m[0]], v)) for n, v in given]
        return self.client.request(method, self.href, headers=told)


@pytest.fixture(scope="module")
def file() -> Iterator[File]:
    with serving() as served, httpx.Client() as client:
        asset = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]
        whole = client.get(asset["href"])
        assert len(whole.content) == asset["file:size"]
        names = ("etag", "last-modified")
        tag, date = (whole.headers[name] for name in names)
        yield File(served, client, asset["href"], whole.content, tag, date)


@pytest.mark.parametrize(("headers", "status"), CONDITIONS, ids=str)
def test_conditions(file: File, headers: Headers, status: int) -> None:
    asked = {method: file.ask(method, headers) for method in ("GET", "HEAD")}
    size = len(file.content)
    for method, response in asked.items():
        # Ranges are for GET alone.
        ranged = status in (206, 416)
        assert response.status_code == (200 if ranged and method == "HEAD" else status), method
    for response in asked.values():
        told, status = response.headers, response.status_code
        if status in (200, 206, 304):
            assert (told["etag"], told["last-modified"]) == (file.tag, file.date)
        if status == 206:
            first, last, whole = map(int, re.findall(r"\d+", told["content-range"]))
            assert (whole, int(told["content-length"])) == (size, last + 1 - first)
            assert response.content == file.content[first : last + 1]
        elif status == 416:
            assert told["content-range"] == f"bytes */{size}"
        else:
            assert "content-range" not in told
    status = asked["GET"].status_code
    if status == 206:
        assert asked["GET"].content
    elif status == 200:
        assert asked["GET"].content == file.content
        assert int(asked["HEAD"].headers["content-length"]) == size
    elif status == 304:
        assert asked["GET"].content == b""
    else:
        codes = {412: "precondition-failed", 416: "range-not-satisfiable"}
        assert asked["GET"].json()["code"] == codes[status]
    assert asked["HEAD"].content == b""


def test_a_file_that_changes_meanwhile(file: File) -> None:
    """A download that is resumed with the tag of another file is refused, or starts again."""
    other = file.served.ask({"scene_id": SCENE, "bands": "nir"}).json()["assets"]["B08"]["href"]
    tag = httpx.head(other).headers["etag"]
    assert tag != file.tag
    rest = {"Range": "bytes=1000-"}
    assert file.ask("GET", rest | {"If-Match": tag}).status_code == 412
    assert file.ask("GET", rest | {"If-Range": tag}).content == file.content
    assert file.ask("GET", rest | {"If-Range": file.tag}).content == file.content[1000:]
