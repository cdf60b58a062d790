#!/bin/sh
# Install the Spin model checker and the C compiler that it needs, for `make model`, unless they
# are there.
set -eu

if command -v spin >/dev/null && command -v gcc >/dev/null; then
  exit 0
fi

fail() {
  echo "$1" >&2
  echo "The same rules are searched without Spin by: .venv/bin/pytest tests/models" >&2
  exit 1
}

command -v apt-get >/dev/null || fail \
  "make model needs Spin 6.5 or newer and gcc, and this is neither Debian nor Ubuntu. Install them
so that spin and gcc are on the PATH (macOS: brew install spin; others:
https://spinroot.com/spin/Man/README.html)."

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo -n"
  $as_root true 2>/dev/null || fail \
    "make model needs Spin, and only root can install it: sudo tools/install_spin.sh"
fi

$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends spin gcc libc6-dev
