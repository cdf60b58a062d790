#!/bin/sh
# Look whether the broker is as planned: queues with three members, limits, accounts, alarms.
set -eu
QUORATE_BROKER_ADMIN="operator:$(cat /run/console/operator)"
export QUORATE_BROKER_ADMIN
exec quorate doctor "$1" --management https://rmq1:15671 --ca /run/console/ca.pem
