package cli

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

// peaks is a plan of trials that warm up, and then measure a peak for so long.
func peaks(trials int, lasting time.Duration) (p lab.Plan) {
	p.Profile = lab.Profile{
		Name: "quick", WarmUpMax: 8 * time.Second, PeakDuration: lasting,
		SteadyDuration: lasting,
	}
	p.Scenarios = []lab.Scenario{{
		Name:   "json",
		Phases: []lab.Phase{{Name: "warmup", Kind: lab.WarmUp}, {Name: "peak", Kind: lab.Peak}},
	}}
	for block := 1; block <= trials; block++ {
		p.Trials = append(p.Trials,
			lab.Trial{Scenario: "json", Variant: "node/single", Cores: 1, Block: block, Attempt: 1})
	}
	return p
}

// Hits are what fills a disk: 80 000 a second of the fastest server, of 110 bytes.
func TestDiskSpaceForHitsIsCheckedFirst(t *testing.T) {
	p := peaks(10, 2800*time.Millisecond)
	if room, written := hitsDiskSpace(p, nil), uint64(10*2.8*80_000*110); room < written {
		t.Errorf("%d MiB for hits of %d", room>>20, written>>20)
	}
	ended := map[lab.TrialID]bool{}
	for _, trial := range p.Trials[:5] {
		ended[trial.ID()] = true
	}
	if all, half := hitsDiskSpace(p, nil), hitsDiskSpace(p, ended); half != all/2 {
		t.Errorf("room for %d bytes where half of %d is measured already", half, all)
	}

	m := &measurement{runSetup: &runSetup{checkout: t.TempDir()}, raw: true}
	if err := m.checkDiskSpace(p); err != nil {
		t.Error(err)
	}
	years := peaks(10, 10_000*time.Hour)
	if err := m.checkDiskSpace(years); lab.ExitCode(err) != lab.ExitFailed || err == nil ||
		!strings.Contains(err.Error(), "and a run may need") {
		t.Errorf("hits of years: %v", err)
	}
	m.raw = false
	if err := m.checkDiskSpace(years); err != nil {
		t.Errorf("where no hit is kept: %v", err)
	}
}
