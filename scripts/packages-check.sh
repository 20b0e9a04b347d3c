#!/bin/sh
# Checks the packages of a release that scripts/packages.sh made: what is in them,
# that they are made again byte for byte, and what lintian and rpmlint say.
#
#	scripts/packages-check.sh VERSION DIST
set -eu

fail() {
	echo "packages-check: $*" >&2
	exit 1
}

[ $# -eq 2 ] || fail "usage: scripts/packages-check.sh VERSION DIST"
VERSION=$1
[ -d "$2" ] || fail "no directory $2"
DIST=$(cd "$2" && pwd)
export VERSION DIST
cd "$(dirname "$0")/.."

for tool in lintian rpm rpmlint; do
	command -v "$tool" >/dev/null || apt-get install -y -q --no-install-recommends "$tool" >/dev/null ||
		fail "$tool is missing: apt-get install $tool"
done

echo "packages: what is in them"
"${GO:-go}" test -count=1 -tags packages -run '^(TestPackages|TestPackagesRefused|TestCopyright)$' .

echo "packages: made again, in another directory, time zone and language, and by somebody careful"
again=$(mktemp -d)
trap 'rm -r "$again"' EXIT
for arch in $(scripts/build.sh --list); do
	cp "$DIST/stepdown-$arch" "$again"
done
(umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 scripts/packages.sh "$VERSION" "$again")
for package in "$DIST"/*.deb "$DIST"/*.rpm "$DIST"/*.apk; do
	cmp "$package" "$again/${package##*/}" || fail "${package##*/} is another when it is made again"
done

echo "packages: lintian"
for package in "$DIST"/*.deb; do
	case $package in
	*_loong64.deb) ;;
	*) set -- "$@" "$package" ;;
	esac
done
shift 2
lintian --allow-root --fail-on error,warning "$@"
# Debian 12's does not know this architecture, and Debian 13's does.
lintian --allow-root --fail-on error,warning --suppress-tags unknown-architecture,binary-from-other-architecture \
	"$DIST"/*_loong64.deb

echo "packages: rpmlint"
rpmlint --strict --config packaging/rpmlint.toml "$DIST"/*.rpm
