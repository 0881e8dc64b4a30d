"""Requests to Google, checked against the published discovery document of the Wallet API.

The document is package data of google-api-python-client; nothing here calls anybody. Read-only fields
and deprecated spellings are refused, too: Google would take some of them, but a request has no need for them.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

READ_ONLY = frozenset({"hasUsers", "hasLinkedDevice", "classReference", "kind", "version"})
"""Set by Google alone (facts of the fields' own descriptions)."""
MOST = {"textModulesData": 10, "messages": 10, "merchantLocations": 10}
"""Entries of an array that Google keeps or shows, by the descriptions of the fields."""
INT64 = re.compile(r"-?\d{1,19}", re.ASCII)


@functools.cache
def document() -> dict[str, Any]:
    """The discovery document `walletobjects.v1`."""
    place = importlib.resources.files("googleapiclient.discovery_cache.documents")
    found: dict[str, Any] = json.loads((place / "walletobjects.v1.json").read_text("utf-8"))
    return found


def problems(schema: str, body: Any, *, whole: bool = False) -> list[str]:
    """What Google's schema has against a body, each with its path; empty where nothing.

    schema  its name in the document: `LoyaltyObject`, `AddMessageRequest` ...
    whole   ask for the required fields, too: for an insert or a PUT, not for a PATCH
    """
    return list(_problems({"$ref": schema}, body, schema, whole))


def check(schema: str, body: Any, *, whole: bool = False) -> None:
    """Raise AssertionError with everything that `problems` finds."""
    found = problems(schema, body, whole=whole)
    assert not found, "; ".join(found)


def method(verb: str, url: str) -> dict[str, Any]:
    """The method of the document that a verb and a URL or path call. AssertionError where there is none."""
    path = unquote(urlsplit(url).path).lstrip("/")
    for resource in document()["resources"].values():
        for one in resource.get("methods", {}).values():
            wanted = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(one["path"]))
            if one["httpMethod"] == verb and re.fullmatch(wanted, path):
                return dict(one)
    raise AssertionError(f"the Wallet API has no {verb} {path}")


def check_request(verb: str, url: str, body: Any = None) -> None:
    """Raise AssertionError for a request with a path, parameter, field or enum that the API does not know."""
    found = method(verb, url)
    known = {
        name for name, parameter in found.get("parameters", {}).items() if parameter["location"] == "query"
    }
    known |= set(document()["parameters"])
    for name, _ in parse_qsl(urlsplit(url).query):
        assert name in known, f"{found['id']} has no parameter {name!r}"
    if "request" not in found:
        assert body is None, f"{found['id']} takes no body"
        return
    whole = found["httpMethod"] == "PUT" or found["id"].endswith(".insert")
    check(found["request"]["$ref"], body, whole=whole)


def _problems(rule: Mapping[str, Any], value: Any, at: str, whole: bool) -> Iterator[str]:
    if "$ref" in rule:
        yield from _of_object(rule["$ref"], value, at, whole)
    elif rule["type"] == "array":
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no array"
            return
        if len(value) > MOST.get(at.rpartition(".")[2], len(value)):
            yield f"{at}: {len(value)} entries"
        for index, one in enumerate(value):
            yield from _problems(rule["items"], one, f"{at}[{index}]", whole)
    else:
        yield from _of_plain(rule, value, at)


def _of_object(name: str, value: Any, at: str, whole: bool) -> Iterator[str]:
    fields = document()["schemas"][name]["properties"]
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no object"
        return
    for key, one in value.items():
        if key not in fields:
            yield f"{at}: {name} has no field {key!r}"
        elif key in READ_ONLY:
            yield f"{at}.{key}: only Google sets it"
        elif fields[key].get("deprecated"):
            yield f"{at}.{key}: is deprecated"
        else:
            yield from _problems(fields[key], one, f"{at}.{key}", whole)
    if whole:
        for key in required(name):
            if not value.get(key):
                yield f"{at}: {name} needs {key!r}"
    if name == "LoyaltyPointsBalance" and len(value) != 1:
        yield f"{at}: exactly one of string, int, double and money"
    if name in ("LocalizedString",) and not value.get("defaultValue", {}).get("value"):
        yield f"{at}: without a default value"
    if name == "TranslatedString" and not (value.get("language") and "value" in value):
        yield f"{at}: without language or value"


@functools.cache
def required(name: str) -> tuple[str, ...]:
    """The fields of a schema that its descriptions call required, without a condition."""
    fields = document()["schemas"][name]["properties"]
    return tuple(
        key
        for key, rule in fields.items()
        if rule.get("description", "").startswith("Required. ")
        or "This is a required property of" in rule.get("description", "")
    )


def _of_plain(rule: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    kind, form = rule["type"], rule.get("format")
    fits = {
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**32,
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
    }[kind]
    if not fits or (form in ("int64", "uint64") and not INT64.fullmatch(value)):
        yield f"{at}: {value!r} is no {form or kind}"
    elif "enum" in rule:
        deprecated = rule.get("enumDeprecated", [False] * len(rule["enum"]))
        allowed = [word for word, old in zip(rule["enum"], deprecated, strict=True) if not old]
        if value not in allowed:
            yield f"{at}: {value!r} is none of {', '.join(allowed)}"
