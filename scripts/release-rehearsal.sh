#!/bin/sh
# Makes a release of the commit that is checked out, and proves it, without leaving
# anything behind: in a clone of its own, with a version, a key and a database of
# advisories that are made up for it.
#
#	scripts/release-rehearsal.sh
set -eu

version=0.0.1

fail() {
	echo "release-rehearsal: $*" >&2
	exit 1
}

cd "$(dirname "$0")/.."
[ -z "$(git status --porcelain)" ] || echo "release-rehearsal: what is not committed is not in it" >&2

work=$(mktemp -d)
export GNUPGHOME="$work/gnupg"
mkdir -m 0700 "$GNUPGHOME"
clean() {
	status=$?
	trap - EXIT
	gpgconf --kill all
	rm -rf "$work"
	exit "$status"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# As a release workflow has it: a key with a passphrase, and nobody to ask for it.
export RELEASE_KEY='stepdown rehearsal' RELEASE_KEY_PASSPHRASE_FILE="$work/passphrase"
echo 'made up' >"$RELEASE_KEY_PASSPHRASE_FILE"
gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$RELEASE_KEY_PASSPHRASE_FILE" \
	--quick-generate-key "$RELEASE_KEY" ed25519 sign 1d 2>/dev/null
gpgconf --kill all

git clone -q . "$work/stepdown"
cd "$work/stepdown"
git tag -l | xargs -r git tag -d >/dev/null
git config user.name rehearsal
git config user.email rehearsal@example.org
sed -i "s/^## Unreleased\$/&\n\n## $version - $(date -u +%F)/" CHANGELOG.md
git commit -q -m "Rehearse a release" CHANGELOG.md
git tag -a -m rehearsal "v$version"

make release VULNDB="file://$PWD/testdata/vex/db"
[ -z "$(gpg-connect-agent --no-autostart 'GETINFO pid' /bye 2>/dev/null)" ] || fail "an agent of GPG was left running"
make release-check
ls -l dist
