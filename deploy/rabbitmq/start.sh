#!/bin/sh
# Start a node. Erlang reads its cookie only from a file of its own user, so it gets a copy.
set -eu
install -m 0400 /run/broker/erlang.cookie /var/lib/rabbitmq/.erlang.cookie
exec docker-entrypoint.sh rabbitmq-server
