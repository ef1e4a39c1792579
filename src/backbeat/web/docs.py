"""The documentation of the HTTP API as a page that loads nothing from elsewhere."""

from typing import Any

from backbeat.web.view import render


def docs_page(openapi: dict[str, Any]) -> str:
    """Make the page from an OpenAPI 3.1 description."""
    schemas = openapi.get("components", {}).get("schemas", {})
    return render(
        "docs.html",
        info=openapi["info"],
        operations=[
            _operation(method, path, operation, schemas)
            for path, methods in openapi["paths"].items()
            for method, operation in methods.items()
        ],
    )


def _operation(
    method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    """Give what the page shows of one operation."""
    parameters = [
        {
            "name": one["name"],
            "in": one["in"],
            "type": _type(one["schema"]),
            "required": one.get("required", False),
            "description": one.get("description", ""),
        }
        for one in operation.get("parameters", [])
    ]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        form = _resolved(content["schema"], schemas)
        parameters += [
            {
                "name": name,
                "in": "form",
                "type": "file",
                "required": name in form.get("required", ()),
                "description": field.get("description", ""),
            }
            for name, field in form.get("properties", {}).items()
        ]
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": parameters,
        "fields": _fields(operation["responses"]["200"], schemas),
        "errors": [
            (status, response.get("description", ""))
            for status, response in sorted(operation["responses"].items())
            if status != "200"
        ],
    }


def _fields(response: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    """Give the fields of a response's JSON, nested ones by their path."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return _nested(schema, schemas, "")


def _nested(schema: dict[str, Any], schemas: dict[str, Any], prefix: str) -> list[dict[str, str]]:
    found = []
    for name, field in _resolved(schema, schemas).get("properties", {}).items():
        items = field.get("items", field)
        found.append(
            {
                "name": prefix + name,
                "type": _type(field),
                "description": field.get("description", ""),
            }
        )
        if "$ref" in items:
            separator = "[]." if "items" in field else "."
            found += _nested(items, schemas, prefix + name + separator)
    return found


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def _type(field: dict[str, Any]) -> str:
    """Name a field's type."""
    if "enum" in field:
        return " | ".join(f'"{one}"' for one in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type", "object"))
