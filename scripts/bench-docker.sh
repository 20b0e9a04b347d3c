#!/bin/sh
# Measures what a start by stepdown costs beside docker run --user, in an engine
# that with-docker.sh has found or started: make bench-docker.
#
#	scripts/bench-docker.sh ./stepdown [FLAGS OF bench/main.go]
set -eu

dir=$(mktemp -d)
trap 'docker rmi -f bench >/dev/null; rm -r "$dir"' EXIT
chmod 755 "$dir"
cp "$1" bench/Dockerfile "$dir"
shift
docker build -q --network host -t bench "$dir" >/dev/null
for program in rounds true; do
	gcc -O2 -Wall -Wextra -static -o "$dir/$program" "bench/c/$program.c"
done
go build -o "$dir/bench" ./bench

env -i PATH="$dir:$PATH" HOME="$dir" DOCKER_HOST="${DOCKER_HOST-}" \
	bench -tools bench/docker.txt -longest 0 -results "$dir" "$@"
