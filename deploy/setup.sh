#!/bin/sh
# Make what the staging containers need: keys, certificates, accounts, definitions, homes.
#
#   setup.sh JOB.toml FOLDER
#
# FOLDER/material  the authority, passwords and homes as provisioned; for this script only
# FOLDER/broker    what the broker's nodes read
# FOLDER/console   what people and monitoring read
# FOLDER/homes/NAME for the coordinator and holders, FOLDER/trainers/NAME for the trainers
#
# Can be repeated: what is there is kept, and homes get only what was provisioned, again.
set -eu
job=$1 folder=$2
material=$folder/material broker=$folder/broker console=$folder/console
umask 077

secret() {  # a random secret in a file, made once
    [ -s "$1" ] || python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")' > "$1"
}

lay() {  # copy to a place where containers of our group may read
    cp "$1" "$2.incoming" && chmod 0640 "$2.incoming" && mv "$2.incoming" "$2"
}

quorate tls "$material/tls" --host rmq1 --host rmq2 --host rmq3 --host localhost --actor "$job"
quorate broker plan "$job" --credentials "$material/passwords" \
    --definitions "$material/definitions.json" > "$material/plan.txt"
secret "$material/operator"
secret "$material/grafana"
secret "$material/erlang.cookie"
python3 "$(dirname "$0")/add_operator.py" "$material/definitions.json" "$material/operator"

for file in ca.pem server.pem server.key; do lay "$material/tls/$file" "$broker/$file"; done
lay "$material/definitions.json" "$broker/definitions.json"
lay "$material/erlang.cookie" "$broker/erlang.cookie"
lay "$material/tls/ca.pem" "$console/ca.pem"
lay "$material/operator" "$console/operator"
lay "$material/grafana" "$console/grafana"
chmod 0750 "$broker" "$console"

# Staging: all keys are made here. In earnest each site makes its own.
quorate provision "$job" --out "$material/homes" --trial-roster "$material/authority" \
    --credentials "$material/passwords" --tls "$material/tls" > "$material/homes.txt"
for home in "$material"/homes/*/; do
    name=$(basename "$home")
    target=$folder/homes/$name
    [ -d "$target" ] || target=$folder/trainers/$name
    mkdir -p "$target"
    # An actor may be reading: whole or not at all.
    for file in "$home"/*; do
        kept=$target/$(basename "$file")
        [ ! -d "$kept" ] || continue  # its keys
        rm -rf "$kept.incoming"
        cp -r "$file" "$kept.incoming"
        # Metrics are fetched by another container.
        [ "$(basename "$file")" != actor.toml ] ||
            sed -i 's|^# listen = .*|listen = "0.0.0.0:9464"|' "$kept.incoming"
        mv "$kept.incoming" "$kept"
    done
done
echo "ready: $(ls "$material/homes" | wc -l) homes"
