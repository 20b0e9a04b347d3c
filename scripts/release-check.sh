#!/bin/sh
# Proves what is promised of a release, on the one in dist/ that scripts/release.sh
# made of the commit that is checked out:
#
#	scripts/release-check.sh
#
# Whatever a user would check is checked as they would, and then once more on a
# copy with something wrong in it, where it must be refused.
set -eu

fail() {
	echo "release-check: $*" >&2
	exit 1
}
step() { echo "release-check: $*"; }

cd "$(dirname "$0")/.."
[ -f dist/SHA256SUMS.asc ] || fail "no release in dist/: make release"
tag=$(git describe --exact-match --match 'v[0-9]*' HEAD 2>/dev/null) || fail "no tag on this commit"
version=${tag#v}
architectures=$(scripts/build.sh --list)
toolchain=$(awk '$1 == "toolchain" { print $2 }' go.mod)

work=$(mktemp -d)
export GNUPGHOME="$work/gnupg"
mkdir -m 0700 "$GNUPGHOME"
clean() {
	status=$?
	trap - EXIT
	gpgconf --kill all
	chmod -R u+w "$work"
	rm -rf "$work"
	exit "$status"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

step "nothing is missing, and nothing without a checksum and a signature"
cut -d' ' -f3- dist/SHA256SUMS | sort >"$work/listed"
(cd dist && ls) | grep -v -x -e SHA256SUMS -e '.*\.asc' -e stepdown-release.gpg | sort >"$work/present"
cmp -s "$work/listed" "$work/present" || fail "SHA256SUMS does not list what is there: $(diff "$work/listed" "$work/present" | tr '\n' ' ')"
for arch in $architectures; do
	for file in "stepdown-$arch" "stepdown-$arch.cdx.json" "stepdown_${version}_$arch.deb"; do
		grep -q -x -F "$file" "$work/listed" || fail "no $file"
	done
done

# As the one says who installs it: gpgv and a keyring that they had before.
signed() { gpgv --quiet --keyring "$1/stepdown-release.gpg" "$1/$2.asc" "$1/$2" 2>/dev/null; }
summed() { (cd "$1" && sha256sum --check --strict --status SHA256SUMS); }

step "checksums and signatures are right"
summed dist || fail "a checksum is wrong"
for file in SHA256SUMS $(cat "$work/listed"); do
	signed dist "$file" || fail "the signature of $file is wrong"
done
gpg --batch --quiet --import dist/stepdown-release.gpg
gpg --batch --quiet --trust-model always --verify dist/SHA256SUMS.asc dist/SHA256SUMS 2>/dev/null ||
	fail "gpg --verify refuses SHA256SUMS"

step "a changed bit, another key: each is refused"
# flip FILE: change one bit, in the middle.
flip() {
	middle=$(($(stat -c %s "$1") / 2))
	byte=$(od -A n -t u1 -j "$middle" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$middle" conv=notrunc status=none
}
tampered=$work/tampered
cp -r dist "$tampered"
restore() { cp dist/* "$tampered/"; }
for arch in $architectures; do
	flip "$tampered/stepdown-$arch"
	! summed "$tampered" || fail "sha256sum takes a stepdown-$arch that was changed"
	! signed "$tampered" "stepdown-$arch" || fail "gpgv takes a stepdown-$arch that was changed"
	cp "dist/stepdown-$arch" "$tampered/"
done
flip "$tampered/SHA256SUMS"
! signed "$tampered" SHA256SUMS || fail "gpgv takes a SHA256SUMS that was changed"
restore
flip "$tampered/SHA256SUMS.asc"
! signed "$tampered" SHA256SUMS || fail "gpgv takes a signature that was changed"
restore
cp dist/stepdown-amd64.asc "$tampered/SHA256SUMS.asc"
! signed "$tampered" SHA256SUMS || fail "gpgv takes the signature of another file"
restore
gpg --batch --quiet --passphrase '' --quick-generate-key 'somebody else' ed25519 sign 1d 2>/dev/null
gpg --batch --quiet --yes --local-user 'somebody else' --armor --detach-sign "$tampered/SHA256SUMS"
! signed "$tampered" SHA256SUMS || fail "gpgv takes a signature by another key"
gpg --batch --quiet --export 'somebody else' >"$tampered/stepdown-release.gpg"
signed "$tampered" SHA256SUMS || fail "gpgv refuses the other key's own signature, so that its refusals mean nothing"

step "each binary: static, with symbols, of this version, revision and Go"
# has FILE LINE: a line of the build information.
has() { go version -m "$1" | tr '\t' ' ' | grep -q -x -E " ?$2 ?" || fail "$1 lacks '$2' in its build information"; }
for arch in $architectures; do
	binary=dist/stepdown-$arch
	case $(file "$binary") in
	*'Go BuildID'* | *BuildID*) fail "$binary has a build id" ;;
	*'statically linked'*'not stripped'*) ;;
	*) fail "$binary is not static, or stripped: $(file "$binary")" ;;
	esac
	has "$binary" "$binary: $toolchain"
	has "$binary" "mod stepdown $tag"
	has "$binary" "build vcs.revision=$(git rev-parse HEAD)"
	has "$binary" "build vcs.modified=false"
done
has dist/stepdown-amd64 'build GOAMD64=v1'
has dist/stepdown-i386 'build GO386=sse2'
has dist/stepdown-armel 'build GOARM=5,softfloat'
has dist/stepdown-armhf 'build GOARM=6,hardfloat'
has dist/stepdown-arm64 'build GOARM64=v8.0'
has dist/stepdown-mips64el 'build GOMIPS64=hardfloat'
has dist/stepdown-ppc64el 'build GOPPC64=power8'
has dist/stepdown-riscv64 'build GORISCV64=rva20u64'

step "each bill of materials: by CycloneDX's schema, and what is in the binary"
set --
mkdir "$work/again"
for arch in $architectures; do
	set -- "$@" "$PWD/dist/stepdown-$arch"
	cp "dist/stepdown-$arch" "$work/again/"
done
go -C tools run ./sbom -check "$@" || fail "a bill of materials is not valid"
for arch in $architectures; do
	bom=dist/stepdown-$arch.cdx.json
	{
		echo "stdlib ${toolchain#go}"
		go version -m "dist/stepdown-$arch" | awk '$1 == "dep" { print $2, $3 }'
	} >"$work/modules"
	jq -r '.components[] | "\(.name) \(.version)"' "$bom" | cmp -s - "$work/modules" ||
		fail "$bom does not list the modules of the binary: $(tr '\n' ' ' <"$work/modules")"
	sum=$(jq -r '.metadata.component.hashes[] | select(.alg == "SHA-256").content' "$bom")
	grep -q -x "$sum  stepdown-$arch" dist/SHA256SUMS || fail "$bom is of another binary"
done
go -C tools run ./sbom "$work"/again/stepdown-*
for arch in $architectures; do
	cmp "dist/stepdown-$arch.cdx.json" "$work/again/stepdown-$arch.cdx.json" || fail "the bill of materials is another the second time"
done
bom=$work/again/stepdown-amd64.cdx.json
jq 'del(.bomFormat)' "dist/stepdown-amd64.cdx.json" >"$bom"
! go -C tools run ./sbom -check "$work/again/stepdown-amd64" 2>/dev/null || fail "a bill of materials that is not valid is taken"

if [ -f "dist/stepdown-$version.openvex.json" ]; then
	step "the VEX statement is for this version"
	jq -e --arg product "pkg:golang/stepdown@v$version" '[.statements[].products[]."@id"] | length > 0 and all(. == $product)' \
		"dist/stepdown-$version.openvex.json" >/dev/null || fail "the VEX statement is for another product"
fi

step "each package: what is in it, made again, and what its linters say"
scripts/packages-check.sh "$version" dist

# Another directory, with a space in it, which is a worktree and not a clone; another
# user, other settings, an empty cache. Each of these variables would change the
# binary, if it got in.
step "built once more, by another user and elsewhere: the same bytes"
for arch in $architectures; do
	! "dist/stepdown-$arch" --version >/dev/null 2>&1 || stepdown=$PWD/dist/stepdown-$arch
done
again=$work/again
mkdir "$again/home" "$again/tmp"
git clone -q . "$again/clone"
git -C "$again/clone" worktree add -q --detach "$again/another place" "$tag"
set -- env HOME="$again/home" TMPDIR="$again/tmp" GOCACHE="$again/cache" GOMODCACHE="$again/modules" \
	TZ=Pacific/Chatham LC_ALL=C.UTF-8 GOFLAGS=-buildvcs=false GOEXPERIMENT=nogreenteagc CGO_ENABLED=1 \
	GOAMD64=v3 GO386=softfloat GOARM=7 GOARM64=v9.0 GOMIPS64=softfloat GOPPC64=power10 GORISCV64=rva23u64 \
	scripts/reproduce.sh "$version"
if [ "$(id -u)" -eq 0 ]; then
	chmod 0755 "$work"
	chown -R 4711:4711 "$again"
	set -- "$stepdown" 4711:4711 "$@"
else
	step "(by the same user: only root can become another)"
fi
(umask 077 && cd "$again/another place" && "$@") >"$work/sums" || fail "cannot build it once more"
(cd dist && sha256sum --check --strict --quiet "$work/sums") || fail "the second build differs from the first"
cut -d' ' -f3- "$work/sums" >"$work/built"
echo "$architectures" | sed 's/^/stepdown-/' | sort | cmp -s - "$work/built" || fail "not all were built once more"
step "all of it is as it should be: $tag"
