#!/bin/sh
# Builds the binaries of a release again, from its tag in this clone, and prints
# their checksums in the form of SHA256SUMS, to be compared with the published ones:
#
#	scripts/reproduce.sh VERSION | (cd DIRECTORY_OF_THE_RELEASE && sha256sum -c)
set -eu

fail() {
	echo "reproduce: $*" >&2
	exit 1
}

[ -n "${1-}" ] || fail "which version? make reproduce VERSION=X.Y.Z"
cd "$(dirname "$0")/.."
git rev-parse -q --verify "refs/tags/v$1^{commit}" >/dev/null ||
	fail "no tag v$1 in this clone: see git tag, and git fetch --tags"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
git clone -q -c advice.detachedHead=false --branch "v$1" . "$work/stepdown"
"$work/stepdown/scripts/build.sh" "$work/binaries" "$1"
cd "$work/binaries"
sha256sum stepdown-*
