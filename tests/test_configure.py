"""astra_xr.configure: what it takes, what it refuses at once, and workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import astra_xr
from astra_xr.errors import AuthenticationRequired, InvalidParameter, SigningError
from astra_xr.secret import Secret
from astra_xr.settings import Settings, configured, set_settings

KEY = "AKIAHUSHHUSH"
SECRET = "hUsH0123"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = configured()
    yield
    set_settings(dict.fromkeys(configured()) | before)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"catalog": "Sample"}, "sample"),
        ({"catalog": "pc"}, "planetary-computer"),
        ({"catalog": "https://stac.example/v1"}, "https://stac.example/v1"),
        ({"timeout": 5}, 5.0),
        ({"timeout": "2.5"}, 2.5),
        ({"tile_cache": 0}, 0),
        ({"tile_cache": "1000"}, 1000),
        ({"cache_dir": "/data/cache"}, Path("/data/cache")),
        ({"cache_dir": Path("/data/cache")}, Path("/data/cache")),
        ({"netrc": "~/logins"}, Path.home() / "logins"),
        ({"allow_hosts": "a.lan, b.lan"}, ("a.lan", "b.lan")),
        ({"allow_hosts": ["a.lan", "b.lan"]}, ("a.lan", "b.lan")),
        ({"aws_no_sign_request": True}, True),
        ({"aws_no_sign_request": "YES"}, True),
        ({"planetary_computer_sas_url": "http://sas/v1/token"}, "http://sas/v1"),
        ({"aws_access_key_id": KEY}, Secret(KEY)),
    ],
)
def test_as_in_the_environment_or_of_its_own_type(given: dict[str, Any], held: Any) -> None:
    (name,) = given
    before = getattr(Settings.from_env(), name)
    settings = astra_xr.configure(**given)
    assert getattr(settings, name) == held
    assert getattr(Settings.from_env(), name) == held
    astra_xr.configure(**{name: None})
    assert getattr(Settings.from_env(), name) == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"catlog": "sample"},
            r"Invalid catlog='\*\*\*': there is no such setting; .* did you mean 'catalog'",
        ),
        ({"tiles": 3}, r"Invalid tiles='\*\*\*': there is no such setting; .*tile_cache"),
        ({"catalog": "smaple"}, "catalog='smaple': .*did you mean 'sample'"),
        ({"catalog": 7}, "catalog=7: expected one of earth-search"),
        ({"timeout": -1}, "timeout=-1: expected a positive number of seconds"),
        ({"timeout": "soon"}, "timeout='soon': expected a positive number of seconds"),
        ({"timeout": True}, "timeout=True"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"tile_cache": -5}, "tile_cache=-5: expected a number of bytes"),
        ({"tile_cache": 1.5}, "tile_cache=1.5"),
        ({"tile_cache": "1GB"}, "tile_cache='1GB'"),
        ({"cache_dir": 5}, "cache_dir=5: expected a path"),
        ({"allow_hosts": 5}, "allow_hosts=5: expected hosts"),
        ({"allow_hosts": [5]}, "allow_hosts=.*expected hosts"),
        ({"aws_no_sign_request": 1}, "aws_no_sign_request=1: expected True, False"),
        ({"api_url": 5}, "api_url=5: expected text"),
        ({"client": "tcp://127.0.0.1:8786"}, "client=.*expected a distributed.Client"),
    ],
)
def test_what_it_does_not_know_is_refused_at_once(given: dict[str, Any], words: str) -> None:
    before = configured()
    with pytest.raises(InvalidParameter, match=words):
        astra_xr.configure(**{"header_cache": 7} | given)
    assert configured() == before, "all or nothing"


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(Settings) if f.metadata.get("secret")]
)
def test_a_secret_of_the_wrong_type_is_not_shown(name: str) -> None:
    with pytest.raises(InvalidParameter, match=r"'\*\*\*': expected text") as caught:
        astra_xr.configure(**{name: SECRET.encode()})
    assert SECRET not in str(caught.value) + repr(vars(caught.value))


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


@given(
    name=st.sampled_from([f.name for f in dataclasses.fields(Settings)]),
    value=values | st.lists(values, max_size=3) | st.just(object()),
)
def test_any_value_is_read_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(InvalidParameter):
        astra_xr.configure(**{name: value})
    set_settings(dict.fromkeys(configured()))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def _keys() -> tuple[str | None, str | None]:
    settings = Settings.from_env()
    access, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    return access.reveal() if access else None, secret.reveal() if secret else None


def _sign() -> str:
    from astra_xr.catalogs.s3 import S3

    return S3(Settings.from_env()).sign("s3://a-bucket/red.tif").url


def _ask_a_service() -> None:
    raise AuthenticationRequired(service="the resolver service", hint="Set ASTRA_API_KEY.")


def test_workers_take_what_is_configured(cluster: Any) -> None:
    message = "no AWS credentials on this dask worker.*configure.*client=client"
    with pytest.raises(SigningError, match=message):
        cluster.submit(_sign, pure=False).result()
    with pytest.raises(AuthenticationRequired, match="This dask worker.*client=client"):
        cluster.submit(_ask_a_service, pure=False).result()
    astra_xr.configure(aws_access_key_id=KEY, aws_endpoint_url="http://127.0.0.1:9")
    # The one before goes along, although it was set without the client.
    astra_xr.configure(aws_secret_access_key=SECRET, client=cluster)
    assert set(cluster.run(_keys).values()) == {(KEY, SECRET)}
    url = cluster.submit(_sign, pure=False).result()
    assert url.startswith("http://127.0.0.1:9/a-bucket/red.tif?")
    cluster.cluster.scale(2)
    cluster.wait_for_workers(2, timeout=300)
    assert list(cluster.run(_keys).values()) == [(KEY, SECRET)] * 2
    assert SECRET not in repr(cluster.get_worker_logs()) + repr(cluster.get_scheduler_logs())
    astra_xr.configure(aws_access_key_id=None, aws_secret_access_key=None, client=cluster)
    assert list(cluster.run(_keys).values()) == [(None, None)] * 2


def test_here_nothing_is_said_of_workers() -> None:
    with pytest.raises(SigningError) as caught:
        _sign()
    assert "dask" not in str(caught.value)


def test_the_plugin_shows_names_alone() -> None:
    from astra_xr.worker_settings import WorkerSettings

    plugin = WorkerSettings({"aws_secret_access_key": SECRET, "timeout": 5})
    assert repr(plugin) == "WorkerSettings(aws_secret_access_key, timeout)"
    arrived = pickle.loads(pickle.dumps(plugin))
    arrived.setup(None)
    assert Settings.from_env().aws_secret_access_key == Secret(SECRET)
