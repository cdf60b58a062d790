"""Keys and rosters on disk: a site's identity, and the folder of whoever keeps the roster."""
