"""Every decoder of bytes or text that somebody else may have written, by name."""

from __future__ import annotations

from collections.abc import Mapping

from . import channels, disk, files, trust, wire
from .target import Target

TARGETS: Mapping[str, Target] = {
    target.name: target for part in (wire, trust, channels, disk, files) for target in part.TARGETS
}
