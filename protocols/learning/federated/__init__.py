"""Models that many owners train together: local steps, a secure sum of changes, a server step."""
