// Whoami says who it is, without a C library, a shell or an /etc/passwd to ask.
package main

import (
	"fmt"
	"os"
)

func main() {
	groups, err := os.Getgroups()
	if err != nil {
		fmt.Fprintf(os.Stderr, "whoami: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("pid %d, uid %d, gid %d, groups %d, HOME %s\n",
		os.Getpid(), os.Getuid(), os.Getgid(), groups, os.Getenv("HOME"))
}
