"""What can be seen of an actor's process from outside: numbers, health, state, log, watchdog."""

from .health import HealthLimits
from .json_log import Where, log_handler
from .notify import Notifier
from .subject import Listen, Subject, TelemetryError
from .telemetry import Telemetry

__all__ = [
    "HealthLimits",
    "Listen",
    "Notifier",
    "Subject",
    "Telemetry",
    "TelemetryError",
    "Where",
    "log_handler",
]
