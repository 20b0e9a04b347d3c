// Program is what scripts/vex.sh is tried on: it was written for an old version of
// golang.org/x/text on purpose, and calls one function of it.
package main

import (
	"fmt"
	"os"

	"golang.org/x/text/language"
)

func main() {
	tag, err := language.Parse(os.Args[1])
	fmt.Println(tag, err)
}
