#!/bin/sh
# Lays the binaries of a release out for Dockerfile.release, as CONTEXT/PLATFORM/, and
# prints the platforms, by the names that docker build --platform takes:
#
#	scripts/image-context.sh DIST CONTEXT
#
# Only what SHA256SUMS in DIST says gets in. Whose release it is, the signature tells:
# gpgv --keyring stepdown-release.gpg DIST/SHA256SUMS.asc DIST/SHA256SUMS.
set -eu

fail() {
	echo "image-context: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: scripts/image-context.sh DIST CONTEXT"
dist=$1
context=$2
[ ! -e "$context" ] || fail "$context is there already: give a new directory"
[ -f "$dist/SHA256SUMS" ] || fail "no $dist/SHA256SUMS: give the directory of a release"
top=$(dirname "$0")/..

# Docker has a platform for each level of ARM, and asks for v7 where Debian says
# armhf; the binary for v6 serves both.
platforms=
while read -r arch platform; do
	binary=stepdown-$arch
	grep "  $binary\$" "$dist/SHA256SUMS" | (cd "$dist" && sha256sum --check --status 2>/dev/null) ||
		fail "$binary is not there, or not the file whose checksum is in SHA256SUMS"
	dir=$context/$platform
	mkdir -p "$dir/licenses"
	cp "$dist/$binary" "$dir/stepdown"
	cp "$top/LICENSE" "$top/packaging/copyright" "$dir/licenses"
	chmod -R u=rwX,go=rX "$dir"
	chmod +x "$dir/stepdown"
	ln "$dir/stepdown" "$dir/gosu"
	platforms=$platforms${platforms:+,}$platform
done <<END_OF_PLATFORMS
amd64 linux/amd64
i386 linux/386
armel linux/arm/v5
armhf linux/arm/v6
armhf linux/arm/v7
arm64 linux/arm64
mips64el linux/mips64le
ppc64el linux/ppc64le
riscv64 linux/riscv64
s390x linux/s390x
loong64 linux/loong64
END_OF_PLATFORMS
echo "$platforms"
