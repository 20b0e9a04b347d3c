module oracle

go 1.26.0

require github.com/opencontainers/runc v1.1.14

require golang.org/x/sys v0.19.0 // indirect
