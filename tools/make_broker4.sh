#!/bin/sh
# Make FOLDER a small Debian 13 with RabbitMQ 4.0 in it, for `make test BROKER_ROOT=FOLDER` as root.
# It takes a minute or two and 330 MB. Deleting the folder undoes it.
set -eu

fail() {
  echo "$1" >&2
  exit 1
}

[ $# -eq 1 ] || fail "Name the folder: tools/make_broker4.sh /opt/brokers/debian13"
[ "$(id -u)" -eq 0 ] || fail "Only root can make another Debian: sudo tools/make_broker4.sh $1"
command -v debootstrap >/dev/null || fail "There is no debootstrap: apt install debootstrap"
if [ -x "$1/usr/lib/rabbitmq/bin/rabbitmq-server" ]; then
  echo "There is a RabbitMQ in $1 already." >&2
  exit 0
fi
if [ -e "$1" ] && [ -n "$(ls -A "$1")" ]; then
  fail "$1 is neither empty nor complete: delete it, or name another folder."
fi

# All is mounted in a space of our own, so that nothing stays mounted, even after a failure.
if [ "${QUORATE_OWN_MOUNTS:-}" != yes ]; then
  exec env QUORATE_OWN_MOUNTS=yes unshare --mount --propagation private "$0" "$1"
fi

mkdir -p "$1"
debootstrap --variant=minbase trixie "$1" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
# RabbitMQ 4 looks the machine's name up, and waits for seconds where it finds none.
echo "127.0.0.1 localhost $(hostname)" >"$1/etc/hosts"
cp "$(dirname "$0")/install_broker.sh" "$1/root/"
chroot "$1" sh /root/install_broker.sh
chroot "$1" apt-get clean
echo "Ready: make test BROKER_ROOT=$1"
