"""The suite `masked`: a vector hidden by a ring-LWE mask, and only its short secret is shared."""
