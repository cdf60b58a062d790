"""What all pages of reports share: the document around them, and how numbers are written."""

from __future__ import annotations

from .markup import Html, tag
from .style import STYLE


def document(title: str, *parts: Html) -> str:
    """Return a page of these parts, with its style in itself."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    page = tag("html", head, tag("body", tag("main", *parts)), lang="en")
    return f"<!doctype html>\n{page}\n"


def counted(count: int, name: str) -> str:
    """Return a number with its noun, such as `1 scenario`."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def seconds(value: float | None) -> str:
    """Return a time as it is shown."""
    return "-" if value is None else f"{value:.1f} s"
