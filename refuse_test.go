package main

import (
	"fmt"
	"maps"
	"testing"
)

func TestCheckElevated(t *testing.T) {
	plain := map[uintptr]uintptr{atUID: 1000, atEUID: 1000, atGID: 1000, atEGID: 1000, atSecure: 0}
	tests := []struct {
		name      string
		change    map[uintptr]uintptr
		permitted bool
		want      string
	}{
		{"plain", nil, false, ""},
		{"ambient capabilities", nil, true, ""},
		{"security module", map[uintptr]uintptr{atSecure: 1}, false, ""},
		{"root under a security module", map[uintptr]uintptr{atUID: 0, atEUID: 0, atSecure: 1}, true, ""},
		{
			"setuid root",
			map[uintptr]uintptr{atEUID: 0, atSecure: 1},
			true,
			"refusing to run: real uid 1000 and effective uid 0 differ, as a setuid program file makes them: chmod u-s it",
		},
		{
			"setuid, run by root",
			map[uintptr]uintptr{atUID: 0},
			false,
			"refusing to run: real uid 0 and effective uid 1000 differ, as a setuid program file makes them: chmod u-s it",
		},
		{
			"setgid",
			map[uintptr]uintptr{atEGID: 0, atSecure: 1},
			false,
			"refusing to run: real gid 1000 and effective gid 0 differ, as a setgid program file makes them: chmod g-s it",
		},
		{
			"setuid and setgid",
			map[uintptr]uintptr{atEUID: 0, atEGID: 0, atSecure: 1},
			true,
			"refusing to run: real uid 1000 and effective uid 0 differ, as a setuid program file makes them: chmod u-s it",
		},
		{
			"setgid with file capabilities",
			map[uintptr]uintptr{atEGID: 0, atSecure: 1},
			true,
			"refusing to run: real gid 1000 and effective gid 0 differ, as a setgid program file makes them: chmod g-s it",
		},
		{
			"file capabilities",
			map[uintptr]uintptr{atSecure: 1},
			true,
			"refusing to run: the program file has file capabilities: setcap -r it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vector := maps.Clone(plain)
			maps.Copy(vector, tt.change)
			var got string
			if err := checkElevated(vector, tt.permitted); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}

	for _, key := range []uintptr{atUID, atEUID, atGID, atEGID, atSecure} {
		vector := maps.Clone(plain)
		delete(vector, key)
		want := fmt.Sprintf("the auxiliary vector has no entry of type %d: cannot tell whether this program file is setuid", key)
		if err := checkElevated(vector, false); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
