#!/bin/sh
# The entrypoint of the base image. Its idiom: the user ops gets the uid and gid
# that a bind mount has on the host, so that what the command writes there belongs
# to the developer; then it steps down to ops.
#
#	MAP_UID_FROM=DIRECTORY  take the ids from there, not from /work
#	MAP_UID_FROM=no         leave ops as the image has it
set -eu

# One line, also where what a tool says has more.
fail() {
	echo "entrypoint: $*" | head -n 1 >&2
	exit 1
}

# docker run --user: the ids are chosen already, and there is no right to change them.
[ "$(id -u)" -eq 0 ] || exec "$@"

getent passwd ops >/dev/null || fail "user ops is not in /etc/passwd: an image made from this one has to keep it"

# try COMMAND...: without a word, or not at all.
try() {
	error=$("$@" 2>&1) || fail "cannot give ops the ids of $from: $error"
}

from=${MAP_UID_FROM:-/work}
if [ "$from" != no ]; then
	[ -d "$from" ] ||
		fail "MAP_UID_FROM is '$from', which is not a directory: give one whose owner ops shall be, or no"
	uid=$(stat -L -c %u "$from")
	gid=$(stat -L -c %g "$from")

	# A directory of root's was mapped by nobody: Docker made it, or the engine is a
	# rootless one, where root is the developer already. Never make ops root.
	if [ "$uid" -ne 0 ]; then
		# A gid that another group has is joined, not taken: what belongs to that
		# group in the image stays with it.
		getent group "$gid" >/dev/null || try groupmod --gid "$gid" ops
		try usermod --non-unique --uid "$uid" --gid "$gid" ops
		# -h because a link in there must not lead root out of it.
		try chown -R -h "$uid:$gid" /app
	fi
fi

exec stepdown ops "$@"
