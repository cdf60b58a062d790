"""What a round costs, as formulas: bytes, processor time, memory; and which suite costs least.

docs/scaling.md has the same on one page, `benchmarks/scaling.py` holds it against real rounds.
"""
