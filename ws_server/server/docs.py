"""`/docs`: a readable page about the protocol, made from its document and the message types; without scripts."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from typing import Any

from markdown_it import MarkdownIt

from ..protocol.openrpc import openrpc_document
from ..protocol.readme import reader_document


def docs_page() -> bytes:
    """The page, as HTML."""
    body = _with_anchors(_markdown().render(_without_local_links(reader_document())))
    document = openrpc_document()
    reference = "\n".join(_method(method, document) for method in document["methods"])
    types = "\n".join(
        _named(name, schema, document)
        for name, schema in document["components"]["schemas"].items()
        if "properties" in schema and not name.endswith(("Params", "Result"))
    )
    contents = "\n".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in _headings(body))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>The Neuroscope protocol</title>
<link rel="stylesheet" href="docs.css"></head>
<body><nav aria-label="Contents"><a href="./">Neuroscope</a><ol>
{contents}
<li><a href="#reference">Every method</a></li>
<li><a href="#types">Every type</a></li></ol></nav>
<main>{body}
<h2 id="reference">Every method</h2>
<p>Generated from the server's message types, as is <a href="openrpc.json">the OpenRPC document</a>.</p>
{reference}
<h2 id="types">Every type</h2>
{types}</main></body></html>
""".encode()


def docs_style() -> bytes:
    return (files(__package__) / "docs.css").read_bytes()


def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _inline(sentence: str) -> str:
    rendered: str = _markdown().renderInline(sentence)
    return rendered


def _without_local_links(markdown: str) -> str:
    """Links to files of the repository work only there."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", markdown)


def _with_anchors(html: str) -> str:
    return re.sub(
        r"<h([23])>(.*?)</h\1>", lambda match: f'<h{match[1]} id="{_anchor(match[2])}">{match[2]}</h{match[1]}>', html
    )


def _anchor(heading: str) -> str:
    plain = re.sub(r"<[^>]+>|[^\w\s/-]", "", heading).strip().lower()
    return re.sub(r"[\s/]+", "-", plain)


def _headings(html: str) -> list[tuple[str, str]]:
    return re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', html)


def _method(method: dict[str, Any], document: dict[str, Any]) -> str:
    """One method: its sender, members, result and errors."""
    kind = "request" if "result" in method else "notification"
    sender = "server to client" if method["x-sender"] == "server" else "client to server"
    parts = [
        f'<section><h3 id="method-{_anchor(method["name"])}"><code>{escape(method["name"])}</code></h3>',
        f"<p>{_inline(method['summary'])} <em>{kind}, {sender}</em></p>",
        _members([(item["name"], item["required"], item["schema"]) for item in method["params"]], document),
    ]
    if "result" in method:
        schema = _resolved(method["result"]["schema"], document)
        required = set(schema.get("required", ()))
        members = [(name, name in required, member) for name, member in schema.get("properties", {}).items()]
        parts += ["<p>Result:</p>", _members(members, document)]
    errors = [_resolved(error, document) for error in method.get("errors", [])]
    if errors:
        listed = ", ".join(f"{error['code']} {escape(error['message'])}" for error in errors)
        parts.append(f"<p>Errors: {listed}</p>")
    return "\n".join([*parts, "</section>"])


def _named(name: str, schema: dict[str, Any], document: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    members = [(member, member in required, inner) for member, inner in schema["properties"].items()]
    description = _inline(schema.get("description", ""))
    head = f'<h3 id="type-{escape(name)}"><code>{escape(name)}</code></h3>'
    return f"<section>{head}<p>{description}</p>{_members(members, document)}</section>"


def _members(members: list[tuple[str, bool, dict[str, Any]]], document: dict[str, Any]) -> str:
    if not members:
        return "<p>no members</p>"
    rows = "".join(
        f"<tr><td><code>{escape(name if required else f'{name}?')}</code></td>"
        f"<td><code>{escape(_type(schema, document))}</code></td>"
        f"<td>{_inline(_resolved(schema, document).get('description', ''))}</td></tr>"
        for name, required, schema in members
    )
    return f"<table><thead><tr><th>member</th><th>type</th><th></th></tr></thead><tbody>{rows}</tbody></table>"


def _type(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> str:
    """A schema in brief, in TypeScript's notation."""
    if "$ref" in schema and depth > 0:
        return str(schema["$ref"].rsplit("/", 1)[1])
    schema = _resolved(schema, document)
    if "enum" in schema or "const" in schema:
        return " | ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " | ".join(_type(choice, document, depth + 1) for choice in schema["anyOf"])
    kind = schema.get("type", "any")
    if kind == "array":
        inner = _type(schema.get("items", {}), document, depth + 1)
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if kind == "object" and "properties" in schema and depth == 0:
        required = set(schema.get("required", ()))
        return "{" + ", ".join(name if name in required else f"{name}?" for name in schema["properties"]) + "}"
    return str(kind)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema with its reference resolved; members beside the reference are kept."""
    if "$ref" not in schema:
        return schema
    found: Any = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
