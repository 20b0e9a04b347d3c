#!/bin/sh
# Installs stepdown from a release while the base image is built. Its idiom: note
# which packages were installed on purpose, fetch what the download needs, and
# purge it again before the layer ends.
#
#	install-stepdown.sh RELEASE_URL KEYRING
#
# Whatever is wrong with the release, nothing of it is installed.
set -eu

url=$1
keyring=$2

# One line, also where what a tool says has more.
fail() {
	echo "install-stepdown: $*" | head -n 1 >&2
	exit 1
}

test -n "$url" || fail "no RELEASE_URL given: docker build --build-arg RELEASE_URL=..."

on_purpose=$(apt-mark showmanual)
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends ca-certificates curl gpgv >/dev/null 2>&1 ||
	fail "cannot install ca-certificates, curl and gpgv"

dir=$(mktemp -d)
cd "$dir"

# The name that Debian has for the architecture of this image, which is not always
# that of the machine which builds it.
program=stepdown-$(dpkg --print-architecture)
for file in SHA256SUMS SHA256SUMS.asc "$program" "$program.asc"; do
	error=$(curl -fsSL --output "$file" "$url/$file" 2>&1) || fail "no $file in the release at $url: $error"
done

# gpgv and not gpg: the keys in the keyring are trusted, no others are looked for,
# and no agent is left running in the build.
for file in SHA256SUMS "$program"; do
	error=$(gpgv --keyring "$keyring" "$file.asc" "$file" 2>&1) ||
		fail "$file is not signed by the release key: $(echo "$error" | tail -n 1)"
done
# A signed program and a signed list could still be of two releases.
grep "  $program\$" SHA256SUMS >wanted || fail "$program is not in SHA256SUMS"
sha256sum --check --status wanted || fail "$program is not the file whose checksum is in SHA256SUMS"

install -m 0755 "$program" /usr/local/bin/stepdown
stepdown nobody true

cd /
rm -rf "$dir"
apt-mark auto '.*' >/dev/null
# shellcheck disable=SC2086 # one package a word
test -z "$on_purpose" || apt-mark manual $on_purpose >/dev/null
apt-get purge -y -q --auto-remove -o APT::AutoRemove::RecommendsImportant=false >/dev/null
rm -rf /var/lib/apt/lists/*
