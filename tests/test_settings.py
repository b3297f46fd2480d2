"""Settings: each variable, bad values, and a secret that neither shows nor travels."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from astra_xr.errors import InvalidParameter
from astra_xr.secret import Secret
from astra_xr.settings import Settings

SECRET = "hUsH0123"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("ASTRA_CATALOG", "sample", "catalog", "sample"),
        ("ASTRA_CACHE_DIR", "/data/cache", "cache_dir", Path("/data/cache")),
        ("ASTRA_CACHE_DIR", "~/cache", "cache_dir", Path.home() / "cache"),
        ("ASTRA_TIMEOUT", "2.5", "timeout", 2.5),
        ("ASTRA_EARTH_SEARCH_URL", "http://es", "earth_search_url", "http://es"),
        ("ASTRA_PLANETARY_COMPUTER_URL", "http://pc", "planetary_computer_url", "http://pc"),
        ("PC_SDK_SUBSCRIPTION_KEY", SECRET, "planetary_computer_key", SECRET),
        ("PC_SDK_SAS_URL", "http://sas/v1", "planetary_computer_sas_url", "http://sas/v1"),
        # The Planetary Computer's own tools write the token path too.
        ("PC_SDK_SAS_URL", "http://sas/v1/token", "planetary_computer_sas_url", "http://sas/v1"),
        ("PC_SDK_SAS_URL", "http://sas/v1/token/", "planetary_computer_sas_url", "http://sas/v1"),
    ],
)
def test_each_variable(variable: str, text: str, name: str, value: Any) -> None:
    plain = Settings.from_env({})
    assert Settings.from_env({variable: text}) == dataclasses.replace(plain, **{name: value})
    # Set and empty is as good as not set.
    assert Settings.from_env({variable: ""}) == plain


def test_the_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRA_TIMEOUT", "3")
    assert Settings.from_env().timeout == 3
    monkeypatch.setenv("ASTRA_TIMEOUT", "4")
    assert Settings.from_env().timeout == 4


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.catalog is None
    assert settings.timeout == 10
    assert settings.cache_dir.name == "astra-xr"
    assert settings.planetary_computer_key is None
    assert settings.earth_search_url == "https://earth-search.aws.element84.com/v1"


def test_a_time_that_is_none() -> None:
    words = "Invalid AWS_CREDENTIAL_EXPIRATION='soon': expected a time such as"
    with pytest.raises(InvalidParameter, match=words):
        Settings.from_env({"AWS_CREDENTIAL_EXPIRATION": "soon"})


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e999", "5 s"])
def test_bad_timeouts(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Settings.from_env({"ASTRA_TIMEOUT": text})
    words = f"Invalid ASTRA_TIMEOUT={text!r}: expected a positive number of seconds."
    assert str(caught.value) == words
    assert caught.value.__context__ is None


class TestSecret:
    settings = Settings(planetary_computer_key=Secret(SECRET), timeout=5, catalog="sample")

    def test_repr(self) -> None:
        assert SECRET not in repr(self.settings)
        assert "timeout=5" in repr(self.settings)

    @pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
    def test_pickle_drops_it(self, protocol: int) -> None:
        sent = pickle.dumps(self.settings, protocol)
        assert SECRET.encode() not in sent
        arrived = pickle.loads(sent)
        assert arrived == dataclasses.replace(self.settings, planetary_computer_key=None)

    def test_taken_from_where_it_arrives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = pickle.dumps(self.settings)
        monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "another")
        # What was chosen by the sender stays chosen: the environment gives the secret alone.
        monkeypatch.setenv("ASTRA_TIMEOUT", "99")
        monkeypatch.setenv("ASTRA_CATALOG", "earth-search")
        arrived = pickle.loads(sent)
        assert arrived.planetary_computer_key == Secret("another")
        assert (arrived.timeout, arrived.catalog) == (5, "sample")
        assert pickle.loads(pickle.dumps(Settings())).timeout == 10

    def test_frozen_and_hashable(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            self.settings.timeout = 1  # type: ignore[misc]
        assert {self.settings: 1}[dataclasses.replace(self.settings)] == 1


def test_a_folder_as_text() -> None:
    settings = Settings(cache_dir="/data/cache")  # type: ignore[arg-type]
    assert settings.cache_dir == Path("/data/cache")


def test_s3_server_and_keys() -> None:
    told = {"AWS_ENDPOINT_URL": "http://general", "AWS_ACCESS_KEY_ID": SECRET}
    assert Settings.from_env(told).aws_endpoint_url == "http://general"
    told["AWS_ENDPOINT_URL_S3"] = "http://s3"
    settings = Settings.from_env(told)
    assert (settings.aws_endpoint_url, settings.aws_access_key_id) == ("http://s3", Secret(SECRET))
    for text, value in (("YES", True), ("true", True), ("1", True), ("NO", False), ("", False)):
        assert Settings.from_env({"AWS_NO_SIGN_REQUEST": text}).aws_no_sign_request is value


def test_no_secret_shows_or_travels() -> None:
    names = [f.name for f in dataclasses.fields(Settings) if f.metadata.get("secret")]
    assert {"aws_secret_access_key", "cdse_password", "earthdata_token"} <= set(names)
    settings = Settings(**dict.fromkeys(names, SECRET))  # type: ignore[arg-type]
    assert SECRET not in repr(settings)
    assert SECRET.encode() not in pickle.dumps(settings)
