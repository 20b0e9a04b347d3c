#!/bin/sh
# States which advisories that name a part of these binaries apply to them, and why
# the others do not, in OpenVEX:
#
#	scripts/vex.sh STATEMENT PRODUCT BINARY...   writes the file STATEMENT
#
# PRODUCT is the package URL of what the binaries are builds of. Where no advisory
# names a part, no file is written. VULNDB is the vulnerability database, a URL:
# Go's own by default.
set -eu

fail() {
	echo "vex: $*" >&2
	exit 1
}

[ $# -ge 3 ] || fail "usage: scripts/vex.sh STATEMENT PRODUCT BINARY..."
statement=$1
product=$2
shift 2
tools=$(dirname "$0")/../tools

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
trap 'exit 1' HUP INT TERM
for binary; do
	found=$work/$(basename "$binary")
	go -C "$tools" tool govulncheck -db "${VULNDB:-https://vuln.go.dev}" -format openvex -mode binary \
		"$(realpath "$binary")" >"$found" || fail "cannot look up advisories for $binary"
done
go -C "$tools" run ./vex "$product" "$work"/* >"$work/.statement" || fail "cannot state anything"
if [ -s "$work/.statement" ]; then
	install -m 0644 "$work/.statement" "$statement"
else
	echo "vex: no advisory names a part of the binaries: there is nothing to state"
fi
