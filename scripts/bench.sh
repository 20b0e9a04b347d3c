#!/bin/sh
# Measures what stepdown costs beside other tools, and draws it: make bench. The
# numbers go to bench/results, where docs/BENCHMARKS.md takes its plots from.
#
#	scripts/bench.sh ./stepdown [FLAGS OF bench/main.go]
#
# TOOLS names a further file with tools, in the form of bench/tools.txt.
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "bench: needs root" >&2
	exit 1
fi
for tool in gcc:gcc gosu:gosu chpst:runit s6-setuidgid:s6 gnuplot:gnuplot-nox; do
	command -v "${tool%:*}" >/dev/null || apt-get install -y -q --no-install-recommends "${tool#*:}" libc6-dev >/dev/null
done

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
chmod 755 "$dir"
cp "$1" "$dir/stepdown"
shift
for program in rounds true floor; do
	gcc -O2 -Wall -Wextra -static -o "$dir/$program" "bench/c/$program.c"
done
# As stepdown is built.
CGO_ENABLED=0 go build -trimpath -ldflags -w -o "$dir/nothing" ./bench/nothing
go build -o "$dir/bench" ./bench

env -i PATH="$dir:$PATH" bench -tools "bench/tools.txt${TOOLS:+,$TOOLS}" "$@"
gnuplot bench/plot.gp
