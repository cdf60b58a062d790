"""Drills: a federation of real processes on a real broker, hurt on purpose and watched."""
