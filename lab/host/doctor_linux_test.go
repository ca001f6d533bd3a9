package host

import "testing"

func TestParseTicks(t *testing.T) {
	// user nice system idle iowait irq softirq steal guest guest_nice
	got := parseTicks("cpu  10 20 30 400 50 6 7 8 9 1")
	if want := (cpuTimes{busy: 73, steal: 8, total: 531}); got == nil || *got != want {
		t.Errorf("parsed %+v, want %+v", got, want)
	}
	for _, line := range []string{"", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2", "cpu 1 2 3 x 5 6 7 8"} {
		if got := parseTicks(line); got != nil {
			t.Errorf("%q is parsed as %+v, want nil", line, got)
		}
	}
}
