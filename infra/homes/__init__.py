"""The home of an actor that is a process of its own: who it is, what it may, what it keeps."""

from __future__ import annotations

from .actor_home import ActorHome, open_home
from .settings import Role, TelemetrySettings

__all__ = ["ActorHome", "Role", "TelemetrySettings", "open_home"]
