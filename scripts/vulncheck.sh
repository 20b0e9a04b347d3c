#!/bin/sh
# Asks the Go vulnerability database what touches stepdown:
#
#	scripts/vulncheck.sh              which vulnerable functions the source calls
#	scripts/vulncheck.sh PROGRAM...   which vulnerable packages are in a program,
#	                                  whether or not it calls what is wrong in them
#
# The second is what a release is made anew for (docs/RELEASES.md). VULNDB, a URL,
# is another database than https://vuln.go.dev. Exit status 3: something was found.
set -eu

fail() {
	echo "vulncheck: $*" >&2
	exit 1
}

# Installed, because "go run" turns each exit status into 1.
bin=$(mktemp -d)
trap 'rm -r "$bin"' EXIT
GOBIN=$bin go -C "$(dirname "$0")/../tools" install golang.org/x/vuln/cmd/govulncheck || fail "cannot install govulncheck"
govulncheck() { "$bin/govulncheck" ${VULNDB:+-db "$VULNDB"} "$@"; }

if [ $# -eq 0 ]; then
	cd "$(dirname "$0")/.."
	govulncheck ./...
	exit
fi
found=
for program; do
	echo "== $program"
	status=0
	govulncheck -mode binary -scan package "$program" || status=$?
	case $status in
	0) ;;
	3) found=3 ;;
	*) fail "cannot check $program" ;;
	esac
done
exit ${found:-0}
