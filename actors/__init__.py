"""How Quorate behaves: actors that drive the machines of `protocols` through ports."""
