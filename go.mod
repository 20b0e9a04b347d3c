module stepdown

go 1.26.0

toolchain go1.26.11

require (
	github.com/moby/sys/user v0.5.0
	golang.org/x/sys v0.49.0
)

require github.com/moby/sys/capability v0.5.0

require (
	github.com/rogpeppe/go-internal v1.16.0
	golang.org/x/tools v0.26.0 // indirect
)
