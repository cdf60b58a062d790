"""Scenarios on real processes and a private RabbitMQ."""

from __future__ import annotations
