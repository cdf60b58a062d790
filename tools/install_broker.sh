#!/bin/sh
# Install RabbitMQ for the tests, unless it is there. They start servers of their own on loopback,
# so this neither starts one nor lets one start with the machine.
set -eu

if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null; then
  exit 0
fi

fail() {
  echo "$1" >&2
  echo "Or leave those tests out: .venv/bin/pytest -m 'not broker'" >&2
  exit 1
}

command -v apt-get >/dev/null || fail \
  "The tests need RabbitMQ 3.10 or newer, and this is neither Debian nor Ubuntu. Install it so
that rabbitmq-server is on the PATH (macOS: brew install rabbitmq; others:
https://www.rabbitmq.com/docs/download), and don't start it: the tests start their own."

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo -n"
  $as_root true 2>/dev/null || fail \
    "The tests need RabbitMQ, and only root can install it: sudo tools/install_broker.sh"
fi

# Debian starts a service as soon as it is installed, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
kept=$policy.kept-by-install-broker
[ ! -e "$policy" ] || $as_root mv "$policy" "$kept"
restore() {
  $as_root rm -f "$policy"
  [ ! -e "$kept" ] || $as_root mv "$kept" "$policy"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
$as_root chmod 755 "$policy"

$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends rabbitmq-server

if [ -d /run/systemd/system ]; then
  $as_root systemctl disable --quiet rabbitmq-server
else
  $as_root update-rc.d rabbitmq-server disable
fi
