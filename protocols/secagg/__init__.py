"""Secure aggregation: arithmetic, suites, and the machines of a round."""
