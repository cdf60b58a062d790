"""A whole federation in virtual time: one seed is one history, faults and all."""
