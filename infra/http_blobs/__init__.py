"""Model states over HTTPS: served as plain files named by their digest, pulled by the trainers.

Any web server, cache or object store that keeps `/blobs/<sha256>` can stand between the two:
whoever pulls trusts the digest and nobody on the way.
"""

from __future__ import annotations

from .both_ways import BothWays
from .places import BaseUrl, HttpBlobsError, Pulling, Serving
from .pull_blobs import PullBlobs, PullPolicy
from .served_folder import ServedFolder
from .server import BlobServer, ServeLimits
from .traffic import BlobTraffic, Pulled, Served

__all__ = [
    "BaseUrl",
    "BlobServer",
    "BlobTraffic",
    "BothWays",
    "HttpBlobsError",
    "PullBlobs",
    "PullPolicy",
    "Pulled",
    "Pulling",
    "ServeLimits",
    "Served",
    "ServedFolder",
    "Serving",
]
