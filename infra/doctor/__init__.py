"""`quorate doctor`: looks at all that a federation depends on, and says what to do about it."""
