"""``astra_xr.configure``: settings of this process, and of the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any

from astra_xr.errors import InvalidParameter
from astra_xr.extras import require
from astra_xr.settings import Settings, configured, set_settings, with_secrets


def configure(*, client: Any = None, **values: Any) -> Settings:
    """Set settings of this process, which take precedence over environment variables.

    Parameters
    ----------
    client : distributed.Client, optional
        A Dask client. Everything configured in this process, including credentials, is then also
        set on all workers of its cluster, present and future.
    **values
        Fields of :class:`Settings`, e.g. ``tile_cache=0`` or ``catalog="earth-search"``, as text
        or of their own type; None resets a setting to its environment variable.

    Returns
    -------
    Settings
        The settings now in effect.

    Raises
    ------
    InvalidParameter
        There is no such setting or catalog, or a value is invalid. Nothing is set.
    MissingExtra
        ``client`` is given, and dask is not installed.

    Examples
    --------
    >>> import astra_xr
    >>> astra_xr.configure(tile_cache=64 << 20).tile_cache
    67108864
    >>> _ = astra_xr.configure(tile_cache=None)
    """
    values = with_secrets(values)
    if values.get("catalog") is not None:
        from astra_xr.catalogs import catalog_name

        values["catalog"] = catalog_name(values["catalog"])
    if client is not None:
        _check_client(client)
    settings = set_settings(values)
    if client is not None:
        from astra_xr.worker_settings import WorkerSettings

        reset = {name: None for name, value in values.items() if value is None}
        client.register_plugin(WorkerSettings(reset | configured()))
    return settings


def _check_client(client: Any) -> None:
    distributed = require("distributed", extra="dask", purpose="client=")
    if not isinstance(client, distributed.Client) or client.asynchronous:
        expected = "a distributed.Client that is not asynchronous"
        raise InvalidParameter(name="client", value=client, expected=expected)
