"""Bytes and texts of others against every decoder: what comes back, or the refusal it promises."""
