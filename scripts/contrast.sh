#!/bin/sh
# Shows what becomes of PID 1 when an entrypoint hands over by su, by sudo and by
# stepdown: the processes in the container, and what docker stop does to them. A
# PID namespace stands in for the container. The README quotes what this prints.
#
#	scripts/contrast.sh ./stepdown
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "contrast: needs root" >&2
	exit 1
fi
for tool in ps:procps sudo:sudo; do
	command -v "${tool%:*}" >/dev/null || apt-get install -y -q --no-install-recommends "${tool#*:}" >/dev/null
done

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
chmod 755 "$dir"
cp "$1" "$dir/stepdown"
PATH=$dir:$PATH

# A server that takes three seconds to save its data, as a database may.
cat >"$dir/server" <<'END'
#!/bin/sh
trap 'echo "server: got SIGTERM, saving"; sleep 3; echo "server: saved"; exit 0' TERM
echo 'server: ready'
while :; do sleep 0.1; done
END
chmod 755 "$dir/server"

# contrast COMMAND...: hand over by it, look, and stop it as docker stop does:
# SIGTERM to PID 1, and SIGKILL ten seconds later.
contrast() {
	log=$dir/log
	echo "exec $*" | sed "s|$dir/||"
	unshare --mount --pid --fork --kill-child --mount-proc "$@" >"$log" 2>&1 &
	container=$!
	until grep -q ready "$log"; do sleep 0.05; done
	init=$(ps -o pid= --ppid "$container" | tr -d ' ')
	nsenter --target "$init" --pid --mount ps -e --forest -o pid,ppid,user,args |
		grep -v -e 'ps -e' -e 'sleep 0' | sed "s|$dir/||; s|^|    |"

	start=$(date +%s%N)
	kill -TERM "$init"
	(sleep 10 && kill -KILL "$init" 2>/dev/null) &
	grace=$!
	status=0
	wait "$container" || status=$?
	took=$((($(date +%s%N) - start) / 100000000))
	kill "$grace" 2>/dev/null || true
	grep -v ready "$log" | sed 's|^|    |'
	echo "    stopped after $((took / 10)).$((took % 10)) s, exit status $status"
	echo
}

contrast su -s /bin/sh nobody -c "$dir/server"
contrast su -s /bin/sh nobody -c "exec $dir/server"
contrast sudo -u nobody "$dir/server"
contrast stepdown nobody "$dir/server"
