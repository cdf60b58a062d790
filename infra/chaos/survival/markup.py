"""HTML and SVG as values: text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape

_VOID = ("meta", "link", "br", "hr")


class Html(str):
    """Markup that is right as it stands."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: object) -> Html:
    """Return an element. `class_` stands for class, other `_` in names for `-`.

    Children that are not `Html` are escaped, and so are attributes; one that is None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Return several children as one, each on a line of its own where it is markup."""
    parts = [child if isinstance(child, Html) else escape(child) for child in children]
    return Html("\n".join(parts) if len(parts) > 1 else "".join(parts))
