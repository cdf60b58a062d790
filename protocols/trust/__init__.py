"""Who is who: identities, signed rosters, signatures over messages, sealed boxes."""
