#!/bin/sh
# The entrypoint of the Redis image. Its idiom: as root it makes the volume
# redis's, and then steps down by executing itself again, so that all that
# follows is done as redis. Under docker run --user there is nothing to step down
# from, and the same script goes straight to what follows.
set -eu

# One line, also where what a tool says has more.
fail() {
	echo "redis: $*" | head -n 1 >&2
	exit 1
}

# Options alone, or a configuration file, are for redis-server.
case ${1:-} in
-* | *.conf) set -- redis-server "$@" ;;
esac

# Another command, a shell to look around with for example, is left alone.
[ "${1:-}" = redis-server ] || exec "$@"

mountpoint -q /data ||
	fail "no volume at /data, and the data would go with the container: docker run -v NAME:/data"
cd /data

if [ "$(id -u)" -eq 0 ]; then
	# What is redis's already stays untouched: a large volume starts as fast as a
	# small one. -h and -execdir because who owned the volume before may have left
	# links in it, which root must not follow out of it.
	error=$(find /data ! \( -user redis -group redis \) -execdir chown -h redis:redis {} + 2>&1) ||
		fail "cannot make all of /data redis's: $error"
	exec stepdown redis "$0" "$@"
fi

test -w /data ||
	fail "uid $(id -u) may not write /data: start as root once, or let the volume belong to that user"

# What Redis saves is for nobody else to read, unless another umask than the
# usual one was asked for.
if [ "$(umask)" = 0022 ]; then
	umask 0077
fi

exec "$@"
