#!/bin/sh
# Signs a release:
#
#	scripts/sign.sh DIST    writes DIST/SHA256SUMS over what is in DIST, a detached
#	                        signature FILE.asc of that and of each file, and the
#	                        public key, DIST/stepdown-release.gpg
#	scripts/sign.sh --key   prints the fingerprint of the key, and signs nothing
#
# RELEASE_KEY names the key as GPG takes it, in the keyring of GNUPGHOME. Where the
# passphrase cannot be asked for, RELEASE_KEY_PASSPHRASE_FILE names a file with it.
set -eu

fail() {
	echo "sign: $*" >&2
	exit 1
}

[ $# -eq 1 ] || fail "usage: scripts/sign.sh DIST|--key"
[ -n "${RELEASE_KEY-}" ] ||
	fail "RELEASE_KEY is not set: give the id of the GPG key to sign with (or try it all out: make release-rehearsal)"

# GPG starts an agent and leaves it running. One that was there before is the
# user's, with passphrases in it, and stays.
agent() { gpg-connect-agent --no-autostart 'GETINFO pid' /bye 2>/dev/null; }
if [ -z "$(agent)" ]; then
	trap 'gpgconf --kill gpg-agent' EXIT
	trap 'exit 1' HUP INT TERM
fi

# A fingerprint and not what was given: a name could match another key next time.
keys=$(gpg --batch --with-colons --list-secret-keys -- "$RELEASE_KEY" 2>/dev/null |
	awk -F : '$1 == "sec" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }')
case $(echo "$keys" | grep -c .) in
0) fail "no secret key '$RELEASE_KEY' in the GPG keyring ${GNUPGHOME:-of this user}" ;;
1) ;;
*) fail "RELEASE_KEY '$RELEASE_KEY' names more than one key: give a fingerprint" ;;
esac
if [ "$1" = --key ]; then
	echo "$keys"
	exit
fi
cd "$1"

rm -f -- SHA256SUMS stepdown-release.gpg ./*.asc
sums=$(sha256sum -- *) || fail "nothing to sign in $1"
echo "$sums" >SHA256SUMS

set -- --batch --quiet --local-user "$keys" --armor --detach-sign
if [ -n "${RELEASE_KEY_PASSPHRASE_FILE-}" ]; then
	[ -r "$RELEASE_KEY_PASSPHRASE_FILE" ] || fail "cannot read RELEASE_KEY_PASSPHRASE_FILE $RELEASE_KEY_PASSPHRASE_FILE"
	set -- --pinentry-mode loopback --passphrase-file "$RELEASE_KEY_PASSPHRASE_FILE" "$@"
fi
for file in *; do
	gpg "$@" -- "$file" || fail "cannot sign $file"
done
gpg --batch --export --export-options export-minimal "$keys" >stepdown-release.gpg
