"""Liars: each attack by its name, with what it sends and who must refuse it.

A lie is told in the name of an actor, beside all that its honest program says: the liar has two
tongues. So everything that the program itself does stays bound by every rule.
"""
