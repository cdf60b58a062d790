#!/bin/sh
# Run a trainer in the first home below FOLDER that no other container has taken.
#
#   take-home.sh FOLDER [OPTION...]
#
# The lock is the container's as long as its process lives, and the system's to give up.
set -eu
folder=$1
shift
for home in "$folder"/*/; do
    [ -f "$home/actor.toml" ] || continue
    exec 9> "$home/taken.lock"
    if flock --exclusive --nonblock 9; then
        exec quorate trainer --home "${home%/}" "$@"
    fi
done
echo "every home in $folder is taken: add owners to the job and run setup again, or scale down" >&2
exit 1
