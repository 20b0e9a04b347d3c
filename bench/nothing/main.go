// Nothing is the least that a Go program can be that becomes another one: what
// the Go runtime alone costs.
package main

import (
	"os"
	"syscall"
)

func main() {
	if err := syscall.Exec(os.Args[1], os.Args[1:], os.Environ()); err != nil {
		panic(err)
	}
}
