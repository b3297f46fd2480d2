"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import secrets
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astra_xr.errors import AstraError, InvalidParameter, UpstreamError
from astra_xr.extras import require
from astra_xr.version import __version__

if TYPE_CHECKING:
    from astra_xr.service.keys import KeyFile

_EXAMPLES = """\
examples:
  astra-xr demo
  astra-xr resolve sentinel-2:S2B_MSIL2A_20250115T184929 --bands red,nir --catalog sample
  astra-xr resolve landsat:LC08_L2SP_044034_20171020_02_T1 --json
  astra-xr info sentinel-2:S2B_MSIL2A_20250115T184929 --catalog sample
  astra-xr search sentinel-2 --bbox -122.5 37.4 -122.3 37.5 --datetime 2025-01 --cloud-cover 20
  astra-xr search sentinel-2 --datetime 2025-07/2025-09 --catalog sample --ids

exit codes: 0 success, 1 not found or not possible, 2 invalid request, 3 a service is down
"""

_CATALOG = (
    "the only catalog to use: earth-search, planetary-computer, cdse, usgs, lpdaac or sample; or "
    "the URL, folder or file of your own catalog"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, see the help; 130 if interrupted."""
    args = _parser().parse_args(argv)
    try:
        code = int(args.run(args) or 0)
        print(end="", flush=True)
    except BrokenPipeError:
        # Of `| head`: all that was asked for. Python would write the rest again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as if ended by SIGPIPE
    except AstraError as error:
        print(f"astra-xr: {error}", file=sys.stderr)
        if isinstance(error, UpstreamError):
            return 3
        return 2 if isinstance(error, ValueError) else 1
    except OSError as error:
        if error.filename is None:
            raise
        # A folder cannot be written, such as a read-only home.
        print(f"astra-xr: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("astra-xr: interrupted", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="astra-xr",
        description="Open satellite scenes by their ids.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"astra-xr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="open the built-in sample scene and save two images")
    demo.add_argument("--out", type=Path, default=Path(), help="folder for the images")
    demo.set_defaults(run=_demo)

    resolve = commands.add_parser("resolve", help="print the signed URLs of a scene's bands")
    _scene_arguments(resolve)
    resolve.add_argument("--bands", help="band names, comma-separated (default: all)")
    resolve.add_argument("--format", default="cog", help="file format (default: cog)")
    resolve.add_argument("--json", action="store_true", help="print the API's JSON")
    resolve.set_defaults(run=_resolve)

    info = commands.add_parser("info", help="print a scene's metadata and bands; signs nothing")
    _scene_arguments(info)
    info.set_defaults(run=_info)
    _search_command(commands)
    _service_commands(commands)
    return parser


def _search_command(commands: Any) -> None:
    search = commands.add_parser("search", help="find scenes by area and time")
    search.add_argument("mission", help="e.g. sentinel-2; in your own catalog any collection")
    side = {"nargs": 4, "type": float, "metavar": ("WEST", "SOUTH", "EAST", "NORTH")}
    search.add_argument("--bbox", help="the area, in degrees", **side)
    search.add_argument("--intersects", type=Path, help="the area, as a GeoJSON file")
    search.add_argument("--datetime", help="e.g. 2025-01-15, 2025-01 or 2025-01/2025-03")
    search.add_argument("--cloud-cover", type=float, help="maximum cloud cover, percent")
    search.add_argument("--max-items", type=int, help="maximum number of scenes (default: all)")
    search.add_argument("--catalog", help=_CATALOG)
    shown = search.add_mutually_exclusive_group()
    shown.add_argument("--ids", action="store_true", help="print only the ids, one per line")
    shown.add_argument("--json", action="store_true", help="print the rows as JSON")
    search.set_defaults(run=_search)


def _service_commands(commands: Any) -> None:
    serve = commands.add_parser("serve", help="run the HTTP service")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (loopback)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    serve.add_argument("--workers", type=int, default=1, help="number of processes")
    serve.add_argument("--catalog", help="catalog to use if a request names none")
    serve.add_argument("--keys-file", type=Path, help="file made by `astra-xr keys`")
    serve.set_defaults(run=_serve)

    keys = commands.add_parser("keys", help="manage the API keys of the service")
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="create a key and print it; it cannot be shown again")
    add.add_argument("name", help="owner of the key")
    add.add_argument("--days", type=float, help="days until it expires (default: never)")
    add.add_argument("--rate", help="rate limit, e.g. 600/minute, or none")
    add.set_defaults(run=_keys_add)
    listing = actions.add_parser("list", help="list the keys")
    listing.set_defaults(run=_keys_list)
    revoke = actions.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", help="the id shown by `list`")
    revoke.set_defaults(run=_keys_revoke)
    url_key = actions.add_parser("url-key", help="print a new secret for ASTRA_URL_KEYS")
    url_key.set_defaults(run=_keys_url_key)
    for action in (add, listing, revoke):
        action.add_argument("--keys-file", type=Path, help="use another keys file")


def _serve(args: argparse.Namespace) -> None:
    require("uvicorn", extra="service", purpose="astra-xr serve")
    from astra_xr.service.serve import serve

    serve(
        host=args.host,
        port=args.port,
        workers=args.workers,
        catalog=args.catalog,
        keys_file=args.keys_file,
    )


def _keys_file(args: argparse.Namespace) -> KeyFile:
    from astra_xr.service.config import ServiceSettings, default_keys_file
    from astra_xr.service.keys import KeyFile

    return KeyFile(args.keys_file or ServiceSettings.from_env().keys_file or default_keys_file())


def _keys_add(args: argparse.Namespace) -> None:
    if args.days is not None and not 0 < args.days < 36500:
        raise InvalidParameter(name="--days", value=args.days, expected="a number from 0 to 36500")
    life = timedelta(days=args.days) if args.days is not None else None
    print(_keys_file(args).add(args.name, life=life, rate=args.rate).reveal())


def _keys_list(args: argparse.Namespace) -> None:
    for key in _keys_file(args).read():
        ends = key.expires_at or "never expires"
        print(f"{key.id}  {key.created_at}  {ends}  {key.rate or '-'}  {key.name}")


def _keys_revoke(args: argparse.Namespace) -> None:
    _keys_file(args).revoke(args.id)


def _keys_url_key(args: argparse.Namespace) -> None:
    name = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    print(f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}")


def _scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scene_id", metavar="ID", help="e.g. sentinel-2:S2B_MSIL2A_20250115T184929")
    parser.add_argument("--catalog", help=_CATALOG)


def _search(args: argparse.Namespace) -> None:
    from astra_xr.scenes.scene_search import search

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        found = search(
            args.mission,
            bbox=args.bbox,
            intersects=args.intersects and _geojson(args.intersects),
            datetime=args.datetime,
            cloud_cover=args.cloud_cover,
            max_items=args.max_items,
            catalog=args.catalog,
        )
    if args.json:
        print(found.to_dataframe().to_json(orient="records", date_format="iso", indent=2))
    else:
        print("\n".join(found) if args.ids else found)
    notes = [str(warning.message) for warning in warned]
    if args.json or args.ids:
        notes += [f"passed over {name}: {why}" for name, why in found.passed_over.items()]
    for note in notes:
        print(f"astra-xr: {note}", file=sys.stderr)


def _geojson(path: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    raise InvalidParameter(name="--intersects", value=str(path), expected="a file of GeoJSON")


def _demo(args: argparse.Namespace) -> None:
    from astra_xr.demo import run_demo

    run_demo(args.out)


def _resolve(args: argparse.Namespace) -> None:
    from astra_xr.scenes.open import resolve

    answer = resolve(args.scene_id, args.bands, args.format, catalog=args.catalog)
    if args.json:
        print(json.dumps(answer.to_dict(), indent=2, ensure_ascii=False))
        return
    for name, asset in answer.to_dict()["assets"].items():
        print(f"{name}\t{asset['href']}")


def _info(args: argparse.Namespace) -> None:
    from astra_xr.scenes.open import resolve

    answer = resolve(args.scene_id, catalog=args.catalog, sign=False)
    properties = answer.item.get("properties", {})
    print(f"{answer.full_id}")
    print(f"  catalog   {answer.catalog} (source: {answer.provider})")
    print(f"  acquired  {properties.get('datetime')} by {properties.get('platform')}")
    if properties.get("eo:cloud_cover") is not None:
        print(f"  cloud     {properties['eo:cloud_cover']:g} %")
    crs = sorted({a.grid.crs for a in answer.assets.values() if a.grid})
    print(f"  CRS       {', '.join(crs) or 'in the files only'}")
    for asset in answer.assets.values():
        band, radiometry = asset.band, asset.radiometry
        wavelength = f"{band.wavelength:g} µm" if band.wavelength else ""
        gsd = f"{band.gsd:g} m" if band.gsd else ""
        reason = radiometry.reason if radiometry else "scale and offset are in the file only"
        print(f"  {band.native:<12} {band.common or '':<11} {wavelength:<9} {gsd:<6} {reason}")


if __name__ == "__main__":
    sys.exit(main())
