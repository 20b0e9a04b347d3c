package main

import "testing"

// Each of the four sets counts.
func TestCapabilitiesDifference(t *testing.T) {
	want := capabilities{1, 1, 1, 1}
	if err := want.difference(want); err != nil {
		t.Errorf("no difference: got %v", err)
	}
	tests := []struct {
		held capabilities
		want string
	}{
		{capabilities{3, 1, 1, 1}, "the permitted capabilities are CHOWN,DAC_OVERRIDE, want CHOWN"},
		{capabilities{1, 0, 1, 1}, "the effective capabilities are none, want CHOWN"},
		{capabilities{1, 1, 3, 1}, "the inheritable capabilities are CHOWN,DAC_OVERRIDE, want CHOWN"},
		{capabilities{1, 1, 1, 0}, "the ambient capabilities are none, want CHOWN"},
		{capabilities{1<<63 | 1, 1, 1, 1}, "the permitted capabilities are CHOWN,UNKNOWN, want CHOWN"},
	}
	for _, tt := range tests {
		if err := want.difference(tt.held); err == nil || err.Error() != tt.want {
			t.Errorf("%v: got  %v\nwant %s", tt.held, err, tt.want)
		}
	}
}

func TestParseCapability(t *testing.T) {
	for text, want := range map[string]capSet{
		"CHOWN":                  1 << 0,
		"chown":                  1 << 0,
		"CAP_CHOWN":              1 << 0,
		"cap_Net_Bind_Service":   1 << 10,
		"CHECKPOINT_RESTORE":     1 << 40,
		"CAP_CHECKPOINT_RESTORE": 1 << 40,
	} {
		if got, err := parseCapability(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"CAP_":         `unknown capability "CAP_": the nearest is CHOWN`,
		"CAP_CAP_KILL": `unknown capability "CAP_CAP_KILL": the nearest is KILL`,
		"SYSADMIN":     `unknown capability "SYSADMIN": the nearest is SYS_ADMIN`,
	} {
		if _, err := parseCapability(text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
