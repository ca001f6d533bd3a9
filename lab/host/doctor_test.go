package host

import (
	"context"
	"testing"
)

func TestInspectThisMachine(t *testing.T) {
	f, err := Inspect(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if f.Kernel == "" || f.Release == "" || f.CPUs < 1 || f.NofileHard < f.NofileSoft || f.NofileSoft == 0 {
		t.Errorf("facts are %+v", f)
	}
	if f.DiskFree == nil || f.Load == nil {
		t.Errorf("disk %v or load %v is unknown", f.DiskFree, f.Load)
	}
	if f.OS == "linux" && (f.BusyRatio == nil || *f.BusyRatio < 0 || *f.BusyRatio > 1 || *f.StealRatio < 0 ||
		*f.StealRatio > 1) {
		t.Errorf("busy %v and steal %v are not ratios", f.BusyRatio, f.StealRatio)
	}
	if none, err := Inspect(t.Context(), "/nowhere/at/all"); err != nil || none.DiskFree != nil {
		t.Errorf("a folder that does not exist: %v, %v", none.DiskFree, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Inspect(ctx, t.TempDir()); f.OS == "linux" && err == nil {
		t.Error("an interrupt does not end the inspection")
	}
}

func TestCPUShares(t *testing.T) {
	busy, steal := cpuShares(
		cpuTimes{busy: 100, steal: 5, total: 1000}, cpuTimes{busy: 110, steal: 6, total: 1040})
	if *busy != 0.25 || *steal != 0.025 {
		t.Errorf("busy %v, steal %v", *busy, *steal)
	}
	if busy, _ := cpuShares(cpuTimes{total: 7}, cpuTimes{total: 7}); busy != nil {
		t.Errorf("busy is %v although no time passed, want nil", *busy)
	}
	if _, steal := cpuShares(cpuTimes{steal: 9, total: 10}, cpuTimes{steal: 8, total: 20}); *steal != 0 {
		t.Errorf("a counter that ran backwards gives a share of %v, want 0", *steal)
	}
}

func TestChecks(t *testing.T) {
	float := func(v float64) *float64 { return &v }
	bytes := func(v uint64) *uint64 { return &v }
	quiet := func() Facts {
		return Facts{
			OS: "linux", CPUs: 2, Load: &[3]float64{0.1, 0.2, 0.3}, BusyRatio: float(0.01), StealRatio: float(0.025),
			NofileSoft: 1024, NofileHard: 1 << 20, DiskFree: bytes(20 * gib), Dir: "results",
		}
	}
	tests := []struct {
		name   string
		change func(*Facts)
		check  string
		want   Status
	}{
		{"one CPU", func(f *Facts) { f.CPUs = 1 }, "cpus", Warn},
		{"a busy machine", func(f *Facts) { f.Load[0] = 0.6 }, "load", Warn},
		{"the same load on many CPUs", func(f *Facts) { f.Load[0], f.CPUs = 0.6, 8 }, "load", OK},
		{"steal of 10 %", func(f *Facts) { f.StealRatio = float(0.1) }, "steal", Warn},
		{"few open files", func(f *Facts) { f.NofileHard = 512 }, "open files", Warn},
		{"little disk", func(f *Facts) { f.DiskFree = bytes(5 * gib) }, "disk", Warn},
		{"too little disk", func(f *Facts) { f.DiskFree = bytes(gib) }, "disk", Fail},
	}
	for _, c := range quiet().Checks() {
		if c.Status != OK || c.Fix != "" || c.Detail == "" {
			t.Errorf("on a quiet machine: %+v", c)
		}
	}
	for _, test := range tests {
		f := quiet()
		test.change(&f)
		for _, c := range f.Checks() {
			want := OK
			if c.Name == test.check {
				want = test.want
			}
			if c.Status != want || (c.Fix == "") != (c.Status == OK) {
				t.Errorf("%s: %+v, want %s", test.name, c, want)
			}
		}
	}
	unknown := Facts{CPUs: 2, NofileHard: 1 << 62}
	if n := len(unknown.Checks()); n != 3 {
		t.Errorf("%d checks of a machine whose load, steal and disk are unknown, want 3", n)
	}
}
