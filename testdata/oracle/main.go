// Oracle answers what a user spec means, by the parser that Docker had before
// it became a module of its own: runc's libcontainer/user. It stands in a module
// of its own so that neither stepdown nor its go.mod carries runc.
//
// Standard input is a JSON array of questions, standard output one of answers.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/opencontainers/runc/libcontainer/user"
)

type question struct {
	Passwd, Group, Spec string
	UID, GID            int // the caller's
}

type answer struct {
	UID, GID int
	Groups   []int // without the gid, unless a group lists the user
	Home     string
	Error    string
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(questions))
	for i, q := range questions {
		defaults := user.ExecUser{Uid: q.UID, Gid: q.GID, Home: "/"}
		found, err := user.GetExecUser(q.Spec, &defaults, strings.NewReader(q.Passwd), strings.NewReader(q.Group))
		if err != nil {
			answers[i].Error = err.Error()
			continue
		}
		answers[i] = answer{UID: found.Uid, GID: found.Gid, Groups: found.Sgids, Home: found.Home}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}
