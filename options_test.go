package main

import "testing"

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"print", "print", 0},
		{"a", "b", 1},
		{"ab", "ba", 2},
		{"prnt", "print", 1},
		{"printt", "print", 1},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"abcdef", "xabcdef", 1},
		{"xabcdef", "abcdef", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %q to %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
