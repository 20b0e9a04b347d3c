// Linger says that it runs, and stays until its standard input ends: time to
// look at it in /proc. FuzzCommandLine runs it as the command.
package main

import "os"

func main() {
	os.Stdout.WriteString("lingers\n")
	os.Stdin.Read(make([]byte, 1))
}
