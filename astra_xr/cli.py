"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from astra_xr.errors import AstraError, UpstreamError

_EXAMPLES = """\
examples:
  astra-xr demo
  astra-xr resolve sentinel-2:S2B_MSIL2A_20250115T184929 --bands red,nir --catalog sample
  astra-xr resolve landsat:LC08_L2SP_044034_20171020_02_T1 --json
  astra-xr info sentinel-2:S2B_MSIL2A_20250115T184929 --catalog sample

exit codes: 0 done, 1 the request cannot be met, 2 it is malformed, 3 a service is down
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 not to be had, 2 malformed, 3 upstream."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except AstraError as error:
        print(f"astra-xr: {error}", file=sys.stderr)
        if isinstance(error, UpstreamError):
            return 3
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        print("astra-xr: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="astra-xr",
        description="Open satellite scenes by their ids.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="open the built-in sample scene and draw two pictures")
    demo.add_argument("--out", type=Path, default=Path(), help="folder for the pictures")
    demo.set_defaults(run=_demo)

    resolve = commands.add_parser("resolve", help="print the signed URLs of a scene's bands")
    _scene_arguments(resolve)
    resolve.add_argument("--bands", help="band names, comma-separated; all when left out")
    resolve.add_argument("--format", default="cog", help="cog (default)")
    resolve.add_argument("--json", action="store_true", help="print the API's JSON")
    resolve.set_defaults(run=_resolve)

    info = commands.add_parser("info", help="say what is known of a scene, signing nothing")
    _scene_arguments(info)
    info.set_defaults(run=_info)
    return parser


def _scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scene_id", metavar="ID", help="e.g. sentinel-2:S2B_MSIL2A_20250115T184929")
    parser.add_argument("--catalog", help="the one catalogue to ask: earth-search, "
                        "planetary-computer, cdse, usgs, lpdaac or sample; or the URL, folder or "
                        "file of your own")  # fmt: skip


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
    print(f"  catalogue {answer.catalog} (source: {answer.provider})")
    print(f"  taken     {properties.get('datetime')} by {properties.get('platform')}")
    if properties.get("eo:cloud_cover") is not None:
        print(f"  cloud     {properties['eo:cloud_cover']:g} %")
    crs = sorted({a.grid.crs for a in answer.assets.values() if a.grid})
    print(f"  CRS       {', '.join(crs) or 'told by the files alone'}")
    for asset in answer.assets.values():
        band, radiometry = asset.band, asset.radiometry
        wavelength = f"{band.wavelength:g} µm" if band.wavelength else ""
        gsd = f"{band.gsd:g} m" if band.gsd else ""
        told = radiometry.reason if radiometry else "scale and offset are told by the file alone"
        print(f"  {band.native:<12} {band.common or '':<11} {wavelength:<9} {gsd:<6} {told}")


if __name__ == "__main__":
    sys.exit(main())
