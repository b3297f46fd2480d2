"""What the service refuses, how it says so, and what it never says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from astra_xr import errors
from astra_xr.cli import main
from astra_xr.errors import AstraError, InvalidParameter
from astra_xr.resolver.remote import RemoteResolver
from astra_xr.secret import Secret
from astra_xr.service.keys import KeyFile, Keyring, new_key
from astra_xr.service.problems import problem
from tests.service.conftest import SCENE, Served
from tests.test_errors import SAMPLES


@pytest.mark.parametrize("error", [e for e, _, _ in SAMPLES], ids=lambda e: type(e).__name__)
def test_each_class_survives_the_wire(error: AstraError) -> None:
    told = json.loads(bytes(problem(error, "id").body))
    again = errors.revived(told["code"], told["detail"], told.get("error"))
    assert type(again) is type(error)
    if type(error) is not AstraError:
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_the_client_raises_what_the_process_raises(served: Served) -> None:
    remote = RemoteResolver(served.url, served.key)
    with pytest.raises(errors.UnknownBand, match="Did you mean 'nir'") as caught:
        remote.resolve(SCENE, "nirr")
    assert caught.value.available["B08"] == "nir"
    with pytest.raises(errors.InvalidSceneId, match="Forms that work"):
        remote.resolve("nonsense")
    with pytest.raises(errors.AuthenticationRequired, match="ASTRA_API_KEY") as refused:
        RemoteResolver(served.url).resolve(SCENE)
    assert refused.value.__context__ is None


def test_all_wrong_keys_have_the_same_response(served: Served) -> None:
    other = new_key("another")[1].reveal()
    told = set()
    for header in ("", "Basic abc", "Bearer", f"Bearer {other}", f"Bearer {served.key[:-1]}0x"):
        response = served.ask(headers={"Authorization": header})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        told.add(re.sub(r'"request_id": "\w+"', "", response.text))
    assert len(told) == 1


def test_security_headers(served: Served) -> None:
    for path in ("/healthz", "/nowhere", "/docs", "/assets/x", "/api/v1/assets"):
        response = httpx.get(served.url + path, headers={"Origin": "https://elsewhere.example"})
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers
        assert "access-control-allow-origin" not in response.headers
    assert httpx.get(f"{served.url}/nowhere").json()["code"] == "not-found"
    assert httpx.post(f"{served.url}/healthz").status_code == 405


def test_keys_come_and_go_while_the_service_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.json"
    ring = Keyring(path)
    assert main(["keys", "add", "alice", "--rate", "9/second", "--keys-file", str(path)]) == 0
    key = capsys.readouterr().out.strip()
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    holder = ring.holder(Secret(f"Bearer {key}"))
    assert holder is not None
    assert (holder.name, holder.rate) == ("alice", "9/second")
    assert main(["keys", "list", "--keys-file", str(path)]) == 0
    assert holder.id in capsys.readouterr().out
    assert main(["keys", "revoke", holder.id, "--keys-file", str(path)]) == 0
    assert ring.holder(Secret(f"Bearer {key}")) is None
    with pytest.raises(InvalidParameter, match="a key of this file, which has none"):
        KeyFile(path).revoke("nobody")


@pytest.mark.parametrize(
    "url", [None, "", "ftp://h", "http://resolver.example", "https://u:p@h", "https://h:x", "h"]
)
def test_the_client_is_careful_with_its_key(url: str | None) -> None:
    with pytest.raises(InvalidParameter):
        RemoteResolver(url, "astra_sk_live_x")
    assert "SECRET" not in repr(RemoteResolver("https://h", "SECRET"))


def test_no_secret_in_logs_or_answers(served: Served) -> None:
    href = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]["href"]
    signature = href.split("sig=")[1]
    answers = [
        served.ask({"scene_id": SCENE, "bands": served.key}).text,
        served.ask({"scene_id": served.key}).text,
        httpx.get(f"{href}x").text,
        httpx.get(f"{served.url}/{served.key}").text,
        httpx.get(href).headers.__repr__(),
    ]
    text = "\n".join([*answers, *served.lines])
    for secret in (served.key, served.key[-64:], signature, served.url_key.decode()):
        assert secret not in text
    assert all(json.loads(line)["event"] for line in served.lines)
    assert any(json.loads(line).get("status") == 200 for line in served.lines)
