"""Jobs: what is summed over the owners and what becomes of the sum."""
