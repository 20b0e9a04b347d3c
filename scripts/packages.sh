#!/bin/sh
# Makes the packages of a release out of its binaries, DIST/stepdown-ARCH, and puts
# them beside those, under the names that the tools of each format expect:
#
#	scripts/packages.sh VERSION DIST [ARCH...]
#
# ARCH is Debian's name of an architecture; without any, all are made. VERSION is
# X.Y.Z. The same binaries at the same commit give the same bytes.
set -eu

# The newest version that the Go module proxy has whole. What it makes is compared
# with what went in, by packages_test.go.
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

# Debian's format demands an address. Nobody reads there: what there is to report
# goes where SECURITY.md says.
MAINTAINER=${MAINTAINER:-stepdown maintainers <stepdown@users.noreply.github.com>}

# What Debian, rpm and apk call the architectures. rpm on armv7hl takes armv6hl as
# well; apk takes its own only, so that armv7 gets a package of its own, of the same
# binary. "-" is left out: no distribution with apk is made for ARM without a
# floating-point unit, nor for little-endian MIPS.
architectures() {
	cat <<-END
		amd64     x86_64       x86_64
		i386      i686         x86
		armel     armv5tel     -
		armhf     armv6hl      armhf,armv7
		arm64     aarch64      aarch64
		mips64el  mips64el     -
		ppc64el   ppc64le      ppc64le
		riscv64   riscv64      riscv64
		s390x     s390x        s390x
		loong64   loongarch64  loongarch64
	END
}

fail() {
	echo "packages: $*" >&2
	exit 1
}

[ $# -ge 2 ] || fail "usage: scripts/packages.sh VERSION DIST [ARCH...]"
version=$1
dist=$2
shift 2
echo "$version" | grep -q -x -E '[0-9]+\.[0-9]+\.[0-9]+' || fail "version '$version' is not of the form X.Y.Z"
[ -d "$dist" ] || fail "no directory $dist: build the binaries first, with scripts/build.sh"
dist=$(cd "$dist" && pwd)
cd "$(dirname "$0")/.."
wanted=${*:-$(architectures | cut -d' ' -f1)}
for arch in $wanted; do
	architectures | grep -q "^$arch " || fail "there is no architecture $arch"
	[ -f "$dist/stepdown-$arch" ] || fail "no $dist/stepdown-$arch: build it first, with scripts/build.sh"
done

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) || fail "no commit to take the time from: set SOURCE_DATE_EPOCH"
fi
VERSION=$version
BUILD=$(mktemp -d)
trap 'rm -r "$BUILD"' EXIT
trap 'exit 1' HUP INT TERM
export SOURCE_DATE_EPOCH VERSION MAINTAINER BUILD

# For this machine, whatever the binaries are made for.
env -u GOOS -u GOARCH GOBIN="$BUILD" go install "$NFPM"

# Where a package has no source package in Debian, its changes are in changelog.gz,
# in Debian's format. What is under Unreleased is this version's, where it has no
# entry of its own; a release has one.
changelog() {
	grep -q "^## \[*${version}[] ]" CHANGELOG.md || unreleased=$version
	awk -v unreleased="${unreleased:-}" -v maintainer="$MAINTAINER" -v now="@$SOURCE_DATE_EPOCH" '
		function begin(version, day) {
			printf "stepdown (%s) stable; urgency=medium\n", version
			date = "date --utc --rfc-email --date=" day
			open = 1
		}
		function item(  i, n, word, line) {
			n = split(text, word)
			line = "  *"
			for (i = 1; i <= n; i++) {
				if (length(line " " word[i]) > 79) {
					print line
					line = "   "
				}
				line = line " " word[i]
			}
			if (n) print line
			text = ""
		}
		function end() {
			item()
			if (!open) return
			date | getline day
			printf "\n -- %s  %s\n\n", maintainer, day
			open = 0
		}
		/^## /                         { end() }
		/^## Unreleased/ && unreleased { begin(unreleased, now) }
		/^## \[?[0-9]/                 { gsub(/[][]/, ""); begin($2, $4) }
		!open                          { next }
		/^### /                        { item(); printf "\n  [ %s ]\n", substr($0, 5) }
		/^- /                          { item(); text = substr($0, 3) }
		/^  /                          { text = text $0 }
		END                            { end() }
	' CHANGELOG.md
}
changelog | gzip -9n >"$BUILD/changelog.gz"
gzip -9nc docs/stepdown.1 >"$BUILD/stepdown.1.gz"

# package FORMAT ARCH, of the binary in BUILD. The format of apk has one line for
# the description.
package() {
	lines='$'
	[ "$1" != apk ] || lines=1
	ARCH=$2 DESCRIPTION=$(sed -n "1,${lines}p" packaging/description) "$BUILD/nfpm" package \
		--config packaging/nfpm.yaml --packager "$1" --target "$dist" >"$BUILD/log" 2>&1 ||
		fail "nfpm does not make the $1 package for $2: $(tail -n 1 "$BUILD/log")"
}

for arch in $wanted; do
	cp "$dist/stepdown-$arch" "$BUILD/stepdown"
	read -r deb rpm apk <<-END
		$(architectures | grep "^$arch ")
	END
	package deb "$deb"
	package rpm "$rpm"
	for name in $(echo "$apk" | tr ',-' '  '); do
		package apk "$name"
	done
done
