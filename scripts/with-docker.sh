#!/bin/sh
# Runs a command with a usable Docker engine in DOCKER_HOST and the images that
# the examples are built from, debian:bookworm-slim and golang:1.26-bookworm:
#
#	scripts/with-docker.sh COMMAND [ARGUMENT...]
#
# Where an engine runs already, that one is used, and it pulls the images that it
# lacks. Where none does, on a Debian machine and as root, one is installed,
# started, and given images made from Debian's packages and this machine's Go, with
# no registry; it is stopped and all of it removed again afterwards.
set -eu

if docker info >/dev/null 2>&1; then
	for image in debian:bookworm-slim golang:1.26-bookworm; do
		docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image"
	done
	exec "$@"
fi

if [ "$(id -u)" -ne 0 ]; then
	echo "with-docker: no Docker engine answers, and starting one needs root" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends ca-certificates docker.io gpg gpg-agent mmdebstrap >/dev/null

work=$(mktemp -d /tmp/stepdown-docker.XXXXXX)
engine=
stop() {
	status=$?
	trap - EXIT
	if [ -n "$engine" ]; then
		kill "$engine" 2>/dev/null || true
		wait "$engine" || true
	fi
	grep " $work" /proc/mounts | cut -d' ' -f2 | sort -r | while read -r mounted; do umount "$mounted" || true; done
	rm -rf "$work"
	exit "$status"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

# No bridge and no firewall rules: containers have the host's network while they
# are built, and none, or the host's, while they run.
start() {
	dockerd -H "unix://$work/docker.sock" --data-root "$work/data" --exec-root "$work/exec" \
		--pidfile "$work/dockerd.pid" --storage-driver "$1" \
		--iptables=false --ip6tables=false --bridge=none >"$work/dockerd.log" 2>&1 &
	engine=$!
	for _ in $(seq 100); do
		docker info >/dev/null 2>&1 && return
		kill -0 "$engine" 2>/dev/null || break
		sleep 0.2
	done
	return 1
}
export DOCKER_HOST="unix://$work/docker.sock"
start overlay2 || start vfs || {
	echo "with-docker: dockerd does not start:" >&2
	tail -n 5 "$work/dockerd.log" >&2
	exit 1
}

# shellcheck disable=SC2016 # $(SITE) is apt-get's
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Created-By: Packages' | head -n 1)
mmdebstrap -q --variant=minbase bookworm "$work/debian.tar" "$mirror"
docker import "$work/debian.tar" debian:bookworm-slim >/dev/null
rm "$work/debian.tar"

mkdir "$work/golang"
cp -r "$(go env GOROOT)" "$work/golang/go"
# Where this machine reaches the module proxy by way of an authority of its own,
# so do containers, which have its network.
cp /etc/ssl/certs/ca-certificates.crt "$work/golang/"
cat >"$work/golang/Dockerfile" <<'END'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git make procps && rm -rf /var/lib/apt/lists/*
COPY ca-certificates.crt /etc/ssl/certs/
COPY go /usr/local/go
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOTOOLCHAIN=local
END
docker build -q --network host -t golang:1.26-bookworm "$work/golang" >/dev/null
rm -r "$work/golang"

"$@"
