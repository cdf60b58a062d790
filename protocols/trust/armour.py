"""Bytes as lines of text that can be mailed: one text for each bytes, and no other is taken."""

from __future__ import annotations

import binascii

from .errors import Untrusted

_WIDTH = 64
MAX_TEXT = 24 * 2**20  # characters; a roster of 100,000 trainers has about 14 million


def armoured(kind: str, content: bytes) -> str:
    """Return the text of bytes of a kind, such as `ROSTER`."""
    text = binascii.b2a_base64(content, newline=False).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([_head("BEGIN", kind), *lines, _head("END", kind), ""])


def dearmoured(kind: str, text: bytes) -> bytes:
    """Return the bytes of such a text; what stands before and after it is not allowed.

    Raises:
        Untrusted: too long, of another kind, damaged, or written in another way than ours.
    """
    head, foot = f"{_head('BEGIN', kind)}\n".encode(), f"{_head('END', kind)}\n".encode()
    if len(text) > MAX_TEXT or not (text.startswith(head) and text.endswith(foot)):
        raise Untrusted(
            "form", f"no {kind.lower()}: it lacks the lines that it begins and ends with"
        )
    middle = text[len(head) : -len(foot)]
    try:
        content = binascii.a2b_base64(middle)
    except binascii.Error:
        raise Untrusted("form", f"a damaged {kind.lower()}: copy it again, as a whole") from None
    if armoured(kind, content).encode() != text:
        raise Untrusted("form", f"a damaged {kind.lower()}: copy it again, as a whole")
    return content


def _head(word: str, kind: str) -> str:
    return f"-----{word} QUORATE {kind}-----"
