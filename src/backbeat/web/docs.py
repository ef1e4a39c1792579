"""The page that documents the HTTP API, made from its OpenAPI description and loading nothing."""

from typing import Any

from backbeat.web.view import render


def docs_page(described: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    described : dict
        An OpenAPI 3.1 description.
    """
    schemas = described.get("components", {}).get("schemas", {})
    return render(
        "docs.html",
        info=described["info"],
        ways=[
            _way(verb, path, way, schemas)
            for path, verbs in described["paths"].items()
            for verb, way in verbs.items()
        ],
    )


def _way(verb: str, path: str, way: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Give what the page says of one way into the API."""
    given = [
        {
            "name": one["name"],
            "place": one["in"],
            "type": _type(one["schema"]),
            "needed": one.get("required", False),
            "what": one.get("description", ""),
        }
        for one in way.get("parameters", [])
    ]
    for content in way.get("requestBody", {}).get("content", {}).values():
        form = _resolved(content["schema"], schemas)
        given += [
            {
                "name": name,
                "place": "form",
                "type": "file",
                "needed": name in form.get("required", ()),
                "what": field.get("description", ""),
            }
            for name, field in form.get("properties", {}).items()
        ]
    return {
        "verb": verb.upper(),
        "path": path,
        "summary": way.get("summary", ""),
        "description": way.get("description", ""),
        "given": given,
        "fields": _fields(way["responses"]["200"], schemas),
        "refusals": [
            (status, answer.get("description", ""))
            for status, answer in sorted(way["responses"].items())
            if status != "200"
        ],
    }


def _fields(answer: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    """Give the fields of an answer's JSON, those of what stands within indented below it."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return _below(schema, schemas, "")


def _below(schema: dict[str, Any], schemas: dict[str, Any], before: str) -> list[dict[str, str]]:
    found = []
    for name, field in _resolved(schema, schemas).get("properties", {}).items():
        items = field.get("items", field)
        found.append(
            {"name": before + name, "type": _type(field), "what": field.get("description", "")}
        )
        if "$ref" in items:
            mark = "[]." if "items" in field else "."
            found += _below(items, schemas, before + name + mark)
    return found


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def _type(field: dict[str, Any]) -> str:
    """Name a field's type in a word or two."""
    if "enum" in field:
        return " | ".join(f'"{one}"' for one in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type", "object"))
