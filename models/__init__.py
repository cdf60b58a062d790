"""A model of the rule that one round opens one set: as a table, searched in Python and by Spin."""
