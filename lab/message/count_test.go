package message_test

import (
	"testing"

	"runtimelab/lab/message"
)

func TestCountUsesTheFormThatFits(t *testing.T) {
	for n, want := range map[int]string{0: "0 blocks", 1: "1 block", 2: "2 blocks"} {
		if got := message.Count(n, "block", "blocks"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
