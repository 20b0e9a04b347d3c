#!/bin/sh
# The entrypoint of the RPM-based image. Its idiom: as root it makes the volume
# the user's, and steps down.
set -eu

if [ "$(id -u)" -eq 0 ]; then
	chown app:app /data
	exec stepdown app "$@"
fi

exec "$@"
