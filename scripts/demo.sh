#!/bin/sh
# Shows the main job: an entrypoint that is PID 1 as root steps down, and the
# server that it becomes is PID 1 as nobody, and ends by SIGTERM with a status of
# its own. A PID namespace stands in for the container.
#
#	scripts/demo.sh ./stepdown
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "demo: needs root, which is what there is to step down from: sudo make demo" >&2
	exit 1
fi
command -v ps >/dev/null || apt-get install -y -q --no-install-recommends procps >/dev/null

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
chmod 755 "$dir"
cp "$1" "$dir/stepdown"

cat >"$dir/entrypoint" <<'END'
#!/bin/sh
echo '# In the entrypoint, before: exec stepdown nobody:nogroup server'
ps -e -o pid,ppid,user,group,args
echo
exec stepdown nobody:nogroup server
END

cat >"$dir/server" <<'END'
#!/bin/sh
trap 'echo "the server got SIGTERM"; exit 42' TERM
echo '# In the server, after:'
ps -e -o pid,ppid,user,group,args
echo
echo '# Its ids (real, effective, saved, file system), groups and capabilities:'
grep -E '^(Uid|Gid|Groups|CapPrm|CapEff):' /proc/self/status
echo "HOME=$HOME"
echo
echo '# SIGTERM to PID 1, as docker stop sends it:'
kill -TERM 1
END
chmod 755 "$dir/entrypoint" "$dir/server"

status=0
PATH=$dir:$PATH unshare --mount --pid --fork --kill-child --mount-proc entrypoint || status=$?
echo "exit status $status"
test "$status" -eq 42
