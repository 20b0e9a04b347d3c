#!/bin/sh
# The entrypoint of the Alpine image. Its idiom: as root it makes the volume the
# user's, and steps down to numbers, which need no entry in /etc/passwd.
set -eu

if [ "$(id -u)" -eq 0 ]; then
	chown 10001:10001 /data
	exec stepdown 10001:10001 "$@"
fi

exec "$@"
