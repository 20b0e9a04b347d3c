package main

import (
	"slices"
	"testing"
)

func TestEnvironment(t *testing.T) {
	app := Identity{UID: 1000, Home: "/app", Name: "app", Shell: "/bin/bash"}
	tests := []struct {
		id     Identity
		login  bool
		caller []string
		want   []string
	}{
		{app, false, nil, []string{"HOME=/app"}},
		{app, false, []string{"HOME=/root"}, []string{"HOME=/app"}},
		{app, false, []string{"HOME=/root", "A=b", "HOME=/root", "HOME="}, []string{"A=b", "HOME=/app"}},
		{app, false, []string{"HOME", "HOMEPAGE=x", "home=/x", "=x"}, []string{"HOME", "HOMEPAGE=x", "home=/x", "=x", "HOME=/app"}},
		{app, false, []string{"A=HOME=/root", "\xff=\xfe"}, []string{"A=HOME=/root", "\xff=\xfe", "HOME=/app"}},
		{app, false, []string{"USER=root"}, []string{"USER=root", "HOME=/app"}},
		{
			app, true,
			[]string{"USER=root", "A=b", "LOGNAME=root", "SHELL=/bin/sh", "USER=x", "HOME=/root"},
			[]string{"A=b", "HOME=/app", "USER=app", "LOGNAME=app", "SHELL=/bin/bash"},
		},
		{
			Identity{UID: 1000, Home: "", Name: "four"},
			true,
			nil,
			[]string{"HOME=", "USER=four", "LOGNAME=four", "SHELL=/bin/sh"},
		},
	}
	for _, tt := range tests {
		got, err := tt.id.environment(slices.Clone(tt.caller), tt.login)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q, login %v: got %q, %v, want %q", tt.caller, tt.login, got, err, tt.want)
		}
	}

	const want = "--login-env: uid 4711 has no entry in /etc/passwd: add one, or leave the option out"
	if _, err := (Identity{UID: 4711, Home: "/"}).environment(nil, true); err == nil || err.Error() != want {
		t.Errorf("without an entry: got %v, want %s", err, want)
	}
}
