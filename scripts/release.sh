#!/bin/sh
# Makes all that a release consists of, in dist/, out of the tagged commit that is
# checked out, and nothing else:
#
#	RELEASE_KEY=KEY scripts/release.sh
#
# The version is the tag's. RELEASE_KEY and RELEASE_KEY_PASSPHRASE_FILE are what
# sign.sh takes, and VULNDB what vex.sh takes. Where no vulnerability database can be
# reached, there is no VEX statement, unless RELEASE_VEX=required makes that an error.
set -eu

fail() {
	echo "release: $*" >&2
	exit 1
}

cd "$(dirname "$0")/.."

# Whoever gets the release must be able to get the source of it, by its name.
changes=$(git status --porcelain --untracked-files=all 2>&1) ||
	fail "no git clone to release from: $(echo "$changes" | head -n 1)"
[ -z "$changes" ] ||
	fail "the tree is not what is committed: commit or remove $(echo "$changes" | head -n 1 | cut -c 4-)"
tags=$(git for-each-ref --points-at HEAD --format '%(objecttype) %(refname:short)' refs/tags |
	sed -n -E 's/^tag (v(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2})$/\1/p')
case $(echo "$tags" | grep -c .) in
0) fail "no annotated tag vX.Y.Z on this commit: git tag -a vX.Y.Z (or try it all out: make release-rehearsal)" ;;
1) version=${tags#v} ;;
*) fail "more than one version on this commit: $(echo "$tags" | tr '\n' ' ')" ;;
esac
grep -q -x -E "## $(echo "$version" | sed 's/\./\\./g') - [0-9]{4}-[0-9]{2}-[0-9]{2}" CHANGELOG.md ||
	fail "CHANGELOG.md has no entry '## $version - YYYY-MM-DD': what is new in it?"
key=$(scripts/sign.sh --key)

# All tools that are written in Go run by the same Go as the build.
GOTOOLCHAIN=$(awk '$1 == "toolchain" { print $2 }' go.mod)
export GOTOOLCHAIN

rm -rf dist
mkdir dist
complete=
trap '[ -n "$complete" ] || rm -rf dist' EXIT
trap 'exit 1' HUP INT TERM

# check ARCH: a binary has to know its version and its revision. The linker sets the
# one, and says nothing where the variable is called otherwise; Go the other.
revision=$(git rev-parse HEAD)
ran=
check() {
	binary=dist/stepdown-$1
	info=$(go version -m "$binary")
	for line in "mod stepdown v$version" "build vcs.revision=$revision" "build vcs.modified=false"; do
		echo "$info" | tr '\t' ' ' | grep -q -F "$line" || fail "$binary does not have '$line' in its build information"
	done
	# 126: built for another machine. The emulated tests run those.
	status=0
	said=$("$binary" --version 2>/dev/null) || status=$?
	[ "$status" -ne 126 ] || return 0
	case $said in
	"stepdown $version $GOTOOLCHAIN linux/"*) ran="$ran $1" ;;
	*) fail "$binary --version says '$said', and the tag is v$version" ;;
	esac
}

for arch in $(scripts/build.sh --list); do
	echo "release: building for $arch"
	scripts/build.sh dist "$version" "$arch"
	check "$arch"
done
[ -n "$ran" ] || fail "none of the binaries runs on this machine, so that no version was seen"
echo "release: these say by themselves to be $version:$ran"

set --
for arch in $(scripts/build.sh --list); do
	set -- "$@" "$PWD/dist/stepdown-$arch"
done
echo "release: writing a bill of materials for each"
go -C tools run ./sbom "$@"

statement=dist/stepdown-$version.openvex.json
echo "release: looking up advisories"
if said=$(scripts/vex.sh "$statement" "pkg:golang/stepdown@v$version" "$@" 2>&1); then
	[ -z "$said" ] || echo "$said"
elif [ -n "${VULNDB-}" ] || [ "${RELEASE_VEX-}" = required ]; then
	fail "no VEX statement: $said"
else
	echo "release: no VEX statement was made: $(echo "$said" | head -n 1)" >&2
fi

echo "release: making packages"
scripts/packages.sh "$version" dist

echo "release: signing with $key"
scripts/sign.sh dist
complete=yes
echo "release: stepdown $version is in dist/"
