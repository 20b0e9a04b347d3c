#!/bin/sh
# The entrypoint of the PostgreSQL image. Its idiom: as root it makes the volume
# postgres's, and steps down by executing itself again; as postgres it makes the
# databases where there are none yet, and becomes the server. Where the image has
# stepdown as gosu or su-exec, either name may stand here instead.
set -eu

# One line, also where what a tool says has more.
fail() {
	echo "postgres: $*" | head -n 1 >&2
	exit 1
}

# Options alone are for the server.
case ${1:-} in
-*) set -- postgres "$@" ;;
esac

# Another command, a shell to look around with for example, is left alone.
[ "${1:-}" = postgres ] || exec "$@"

volume=${PGDATA%/*}
mountpoint -q "$volume" ||
	fail "no volume at $volume, and the databases would go with the container: docker run -v NAME:$volume"

if [ "$(id -u)" -eq 0 ]; then
	# -h and -execdir because who owned the volume before may have left links in
	# it, which root must not follow out of it.
	error=$(find "$volume" ! \( -user postgres -group postgres \) -execdir chown -h postgres:postgres {} + 2>&1) ||
		fail "cannot make all of $volume postgres's: $error"
	exec stepdown postgres "$0" "$@"
fi

test -w "$volume" ||
	fail "uid $(id -u) may not write $volume: start as root once, or let the volume belong to that user"

# initdb works under another name, and the result gets its own when it is whole:
# what a container leaves that is stopped meanwhile is no cluster, and goes.
# From the network nobody gets in until the role has a password.
if [ ! -e "$PGDATA" ]; then
	rm -rf "$PGDATA.part"
	log=$(initdb --pgdata="$PGDATA.part" --username=postgres --auth-local=peer --auth-host=scram-sha-256 2>&1) ||
		fail "initdb failed: $(printf '%s' "$log" | grep -m 1 -e ^initdb: -e FATAL -e PANIC)"
	mv "$PGDATA.part" "$PGDATA"
	echo "postgres: made a cluster in $PGDATA" >&2
fi

exec "$@"
