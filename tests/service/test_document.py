"""The OpenAPI document matches the service, and the page has the same contents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import jsonschema
import openapi_spec_validator
import pytest

from astra_xr.catalogs import CATALOGS
from astra_xr.service.parameters import PARAMETERS
from tests.service.conftest import SCENE, Served
from tests.service.test_table import ROWS

EXAMPLES = os.environ.get("ASTRA_SCHEMATHESIS", "")


def document(served: Served) -> Any:
    return httpx.get(f"{served.url}/openapi.json").json()


def test_schemathesis(served: Served, tmp_path: Path) -> None:
    """Requests made up from the document, right and wrong ones, are answered as it says."""
    if find_spec("schemathesis") is None:  # importing it takes seconds
        pytest.skip("schemathesis is not installed (pip install schemathesis).")
    told = document(served)
    href = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]["href"]
    parts = urlsplit(href)
    _, _, root, file = parts.path.split("/", 3)
    # So that a file is really read, and not only refused.
    real = {"key": root, "file": file, **dict(parse_qsl(parts.query))}
    for method in ("get", "head"):
        for parameter in told["paths"]["/assets/{key}/{file}"][method]["parameters"]:
            if parameter["in"] != "header":
                parameter["example"] = real[parameter["name"]]
    # The others are not here to be asked, which would be a 503.
    for parameter in told["paths"]["/api/v1/assets"]["get"]["parameters"]:
        if parameter["name"] == "catalog":
            parameter["schema"]["enum"] = ["sample"]
    (tmp_path / "openapi.json").write_text(json.dumps(told))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", served.url),
        *("-H", f"Authorization: Bearer {served.key}", "-n", EXAMPLES or "4", "--seed", "1"),
        # Not every text is a scene id, and not every id has a scene.
        *("--exclude-checks", "positive_data_acceptance"),
        # Every value of every parameter, one by one: with ASTRA_SCHEMATHESIS, as CI has it.
        *(() if EXAMPLES else ("--phases", "examples,fuzzing")),
        *("--generation-database", "none", "--no-color", "--request-timeout", "60"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "✅ 3 passed" in done.stdout.partition("Examples")[2][:80], done.stdout[:2000]
    assert served.key not in done.stdout


def test_each_route_and_parameter(served: Served) -> None:
    paths = document(served)["paths"]
    assert set(paths) == {
        "/api/v1/assets", "/assets/{key}/{file}", "/healthz", "/readyz", "/openapi.json", "/docs",
        "/metrics",
    }  # fmt: skip
    for path, told in paths.items():
        response = httpx.get(served.url + path.replace("{", "").replace("}", ""))
        if "{" not in path:
            assert (response.status_code == 401) == (told["get"].get("security") != []), path
        assert str(response.status_code) in told["get"]["responses"], path
        media = response.headers["content-type"].partition(";")[0]
        assert media in told["get"]["responses"][str(response.status_code)]["content"], path
    parameters = {p["name"]: p for p in paths["/api/v1/assets"]["get"]["parameters"]}
    assert tuple(parameters) == PARAMETERS
    assert [name for name, p in parameters.items() if p["required"]] == ["scene_id"]
    for name, parameter in parameters.items():
        for value in parameter["schema"].get("enum", []):
            if (name, value) not in {("format", "png"), ("format", "jpeg"), ("format", "geotiff")}:
                told = served.ask({"scene_id": "x", name: value} if name != "scene_id" else {})
                assert told.json()["code"] == "invalid-scene-id", (name, value)
        if "enum" in parameter["schema"]:
            told = served.ask({"scene_id": SCENE, name: "something else"})
            assert told.status_code == 400, name


def test_it_is_openapi(served: Served) -> None:
    openapi_spec_validator.validate(document(served))


def test_each_answer_has_examples_of_its_schema(served: Served) -> None:
    told = document(served)
    shown = set()
    for path, operations in told["paths"].items():
        for name, operation in operations.items():
            for status, answer in operation["responses"].items():
                for media, content in answer.get("content", {}).items():
                    values = [each["value"] for each in content.get("examples", {}).values()]
                    values += [content["example"]] if "example" in content else []
                    json_like = "json" in media and path != "/openapi.json"
                    assert bool(values) == (json_like or status not in ("200", "206")), path
                    schema = content.get("schema", {}) | {"components": told["components"]}
                    checker = jsonschema.Draft202012Validator(schema)
                    for value in values:
                        checker.validate(value)
                    if media == "application/problem+json":
                        codes = [value["code"] for value in values]
                        assert list(content["examples"]) == codes
                        assert answer["description"] == ", ".join(codes)
                        assert {value["status"] for value in values} == {int(status)}
                        shown |= set(codes)
            assert operation["responses"]["200"], name
    assert shown == set(told["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])


def test_the_schemas_say_what_is_wrong(served: Served) -> None:
    """An answer of another form, or a code of another status, is none."""
    told = document(served)
    answers = told["paths"]["/api/v1/assets"]["get"]["responses"]
    good = answers["200"]["content"]["application/json"]
    bad = answers["404"]["content"]["application/problem+json"]
    value = good["examples"]["cog"]["value"]
    problem = bad["examples"]["scene-not-found"]["value"]
    for schema, right, wrong in (
        (good["schema"], value, value | {"format": "gif"}),
        (good["schema"], value, {k: v for k, v in value.items() if k != "metadata"}),
        (good["schema"], value, value | {"assets": {"B04": {"href": "x"}}}),
        (bad["schema"], problem, problem | {"code": "unknown-band"}),
        (bad["schema"], problem, problem | {"status": 500}),
    ):
        checker = jsonschema.Draft202012Validator(schema | {"components": told["components"]})
        assert checker.is_valid(right)
        assert not checker.is_valid(wrong)


def test_a_client_may_send_the_file_as_one_segment(served: Served) -> None:
    """As clients do that are made from the document: / of a path's parameter is %2F."""
    href = served.ask({"scene_id": SCENE, "bands": "red"}).json()["assets"]["B04"]["href"]
    parts = urlsplit(href)
    key, _, file = parts.path.removeprefix("/assets/").partition("/")
    assert "/" in file
    again = f"{served.url}/assets/{key}/{quote(file, safe='')}?{parts.query}"
    assert httpx.get(again).content == httpx.get(href).content


def test_each_status(served: Served) -> None:
    get = document(served)["paths"]["/api/v1/assets"]["get"]["responses"]
    for row in ROWS:
        assert row.raised.code in get[str(row.status)]["description"].split(", "), row.name
    assert {"200", "401", "403", "405", "429", "431"} <= set(get)
    assert "WWW-Authenticate" in get["401"]["headers"]
    assert all("Retry-After" in get[status]["headers"] for status in ("429", "503"))


def test_generated_clients_have_names_and_codes(served: Served) -> None:
    told = httpx.get(f"{served.url}/openapi.json").json()
    operations = [each for path in told["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    codes = told["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert {row.raised.code for row in ROWS} | {"conversions-busy", "not-found"} <= set(codes)
    assert told["servers"]


def test_the_page_has_all_parameters_and_errors(served: Served) -> None:
    page = httpx.get(f"{served.url}/docs").text
    for name in PARAMETERS:
        assert f"<code>{name}</code>" in page
    for words in (
        *CATALOGS, "Authorization: Bearer $KEY",
        "cog, geotiff, png, jpeg", "auto, file, raw", "URLs are not signed",
        "all metadata that astra-xr", "GET /assets/{key}/{file}",
        *(row.raised.code for row in ROWS), "rate-limited", "authentication-required",
    ):  # fmt: skip
        assert words in page, words
    for words in ("&quot;proj:shape&quot;: [2048, 2048]", "more than 2 requests in 60 s"):
        assert words in page, words
    assert "One of full" not in page
