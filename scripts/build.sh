#!/bin/sh
# Builds stepdown for each architecture of a release, in such a way that anyone who
# has the same commit gets the same bytes:
#
#	scripts/build.sh OUTDIR VERSION [ARCH...]   writes OUTDIR/stepdown-ARCH
#	scripts/build.sh --list                     prints the architectures, by Debian's names
#
# How to build is in the Makefile alone. This adds what it is to be built for, and
# keeps the builder's environment and ignored files out.
set -eu

fail() {
	echo "build: $*" >&2
	exit 1
}

architectures='amd64 i386 armel armhf arm64 mips64el ppc64el riscv64 s390x loong64'

# levels ARCH: what Go calls it, and the least processor that it has to run on.
# These are Go's defaults of today, written down so that neither a newer Go nor a
# setting of the builder's changes them.
levels() {
	case $1 in
	amd64) echo GOARCH=amd64 GOAMD64=v1 ;;
	i386) echo GOARCH=386 GO386=sse2 ;;
	armel) echo GOARCH=arm GOARM=5,softfloat ;;
	# Debian's armhf begins at ARMv7. Raspberry Pi OS uses the same name from ARMv6 up,
	# for the first Pi and the Zero, and would take this binary too: so 6, not 7.
	armhf) echo GOARCH=arm GOARM=6,hardfloat ;;
	arm64) echo GOARCH=arm64 GOARM64=v8.0 ;;
	mips64el) echo GOARCH=mips64le GOMIPS64=hardfloat ;;
	ppc64el) echo GOARCH=ppc64le GOPPC64=power8 ;;
	riscv64) echo GOARCH=riscv64 GORISCV64=rva20u64 ;;
	s390x) echo GOARCH=s390x ;;
	loong64) echo GOARCH=loong64 ;;
	*) fail "unknown architecture $1: one of $architectures" ;;
	esac
}

if [ "${1-}" = --list ]; then
	echo "$architectures" | tr ' ' '\n'
	exit
fi
[ $# -ge 2 ] || fail "usage: scripts/build.sh OUTDIR VERSION [ARCH...]"
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=$2
shift 2
# shellcheck disable=SC2086 # one architecture a word
[ $# -gt 0 ] || set -- $architectures
for arch; do
	levels "$arch" >/dev/null
done
case $version in
'' | *[!0-9A-Za-z.+~-]*) fail "version '$version' is not one: letters, digits and .+~- only" ;;
esac

cd "$(dirname "$0")/.."
error=$(git rev-parse --verify -q HEAD 2>&1 >/dev/null) ||
	fail "the revision in the binaries comes from git, and $PWD is no clone: $(echo "$error" | head -n 1)"

# Exactly the Go of go.mod. Where the one in PATH is another, it fetches that one;
# and from then on it is called by its path, so that no switch can come between.
want=$(awk '$1 == "toolchain" { print $2 }' go.mod)
[ -n "$want" ] || fail "go.mod has no toolchain line, which says what Go to build with"
root=$(GOFLAGS='' GOTOOLCHAIN=$want "${GO:-go}" env GOROOT) || fail "cannot get $want, which go.mod asks for"
go=$root/bin/go
got=$(GOTOOLCHAIN=local "$go" version)
case $got in
"go version $want linux/"*) ;;
*) fail "go.mod asks for $want, and this is: $got" ;;
esac

# Modules come by the builder's own settings for proxies; go.sum says what they are.
GOFLAGS='' GOWORK=off GOTOOLCHAIN=local "$go" mod download || fail "cannot fetch the modules of go.mod"

# Built is a copy, in a clone of its own: Go reads the revision from a directory
# .git, which a worktree has not; and it has none of the files that git ignores, which go
# would compile. What is not committed comes along, and the binary says so.
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
git clone -q --no-checkout . "$work/stepdown"
git ls-files --cached --others --exclude-standard -z |
	tar -c --null --ignore-failed-read --files-from=- 2>/dev/null | tar -x -C "$work/stepdown"
cd "$work/stepdown"
git reset -q

gocache=$("$go" env GOCACHE)
gomodcache=$("$go" env GOMODCACHE)
for arch; do
	# Nothing else of the environment, no file of "go env -w", no go.work: they could
	# change the code that is built.
	# shellcheck disable=SC2046 # one variable a word
	env -i PATH="$PATH" HOME="${HOME:-/}" LC_ALL=C GOCACHE="$gocache" GOMODCACHE="$gomodcache" \
		GOENV=off GOWORK=off GOPROXY=off GOTOOLCHAIN=local GOFIPS140=off \
		GOFLAGS='-buildvcs=true -mod=readonly' GOOS=linux $(levels "$arch") \
		make -s stepdown GO="$go" VERSION="$version" OUTPUT="$out/stepdown-$arch" ||
		fail "cannot build for $arch"
done
