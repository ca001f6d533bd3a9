package cli

import (
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// recordedSample is a sample as labs up to commit 124bab8 held it: with readings instead of
// accounts. Its JSON, and that of an attack with its readings, is what those labs encode.
type recordedSample struct {
	recordedTrial
	recordedLoad
	recordedEvidence
}

// recordedTrial is what is known of a sample's trial.
type recordedTrial struct {
	RunID     string
	Row       int
	HostID    string
	StartedAt time.Time
	Trial     lab.Trial
	Scenario  lab.Scenario
	Variant   lab.Variant
	Image     lab.Image
	Identity  lab.Identity
	Phase     lab.Phase
	Layout    lab.Layout
	ColdStart *time.Duration
}

// recordedLoad is the load of a sample with its readings.
type recordedLoad struct {
	WarmUp            *account.Observation
	Attack            *account.Observation
	ServerUsage       recordedUsage
	DoubleConnections *account.Observation
	DoubledServer     recordedUsage
	Upstream          *struct{ Calls int64 }
	ServiceTimes      *lab.ServiceTimes
	Search            *struct{ Steps []recordedStep }
	SeparateIRQTime   bool
}

// recordedEvidence is what else gates need of a sample, and what they found.
type recordedEvidence struct {
	Canaries            lab.PhaseCanaries
	MissedObjectives    []string
	MetricsWithoutValue []string
	Gate                lab.GateResult
}

// recordedUsage holds the readings of the server's container around an attack.
type recordedUsage struct {
	account.UsageReadings
	Known bool
}

// recordedStep is a step of a search with its readings.
type recordedStep struct {
	Stage            lab.SearchStage
	OfferedRPS       float64
	SLOMet           bool
	MissedObjectives []string
	InstrumentLimit  string
	Attack           *account.Observation
	Server           recordedUsage
}

// sample returns the sample that follows from the readings.
func (r recordedSample) sample() lab.Sample {
	s := lab.Sample{
		RunID: r.RunID, Row: r.Row, HostID: r.HostID, StartedAt: r.StartedAt,
		Subject: lab.Subject{
			Trial: r.Trial, Scenario: r.Scenario, Variant: r.Variant, Image: r.Image, Layout: r.Layout,
		},
		Identity: r.Identity, ColdStart: r.ColdStart, Phase: r.Phase, Canaries: r.Canaries,
		SLO:      lab.SLOResult{Missed: r.MissedObjectives, WithoutValue: r.MetricsWithoutValue},
		Gate:     r.Gate,
		Measured: r.window(r.Phase, r.Attack, r.ServerUsage),
		Doubled:  r.window(r.Phase, r.DoubleConnections, r.DoubledServer),
	}
	if r.WarmUp != nil {
		s.WarmUp = &r.WarmUp.AttackResult
	}
	if s.Measured != nil {
		s.Measured.ServiceTimes = r.ServiceTimes
		if r.Upstream != nil {
			s.Measured.Accounts.Upstream.Calls = &r.Upstream.Calls
		}
	}
	if r.Search == nil {
		return s
	}
	s.Search = &lab.Search{}
	for _, step := range r.Search.Steps {
		phase := r.Phase
		phase.RateRPS = step.OfferedRPS
		s.Search.Steps = append(s.Search.Steps, lab.SearchStep{
			Stage: step.Stage, OfferedRPS: step.OfferedRPS, SLOMet: step.SLOMet,
			MissedObjectives: step.MissedObjectives, InstrumentLimit: step.InstrumentLimit,
			Window: r.window(phase, step.Attack, step.Server),
		})
	}
	return s
}

// window returns the window of an attack, or nil if there was none. It counts no calls of the
// upstream: only the sample's measured attack has them.
func (r recordedSample) window(phase lab.Phase, a *account.Observation, u recordedUsage) *lab.Window {
	if a == nil {
		return nil
	}
	readings := account.Readings{Cell: a.CellReadings}
	if r.Upstream != nil {
		readings.Beside = []account.ServiceReadings{{Role: lab.RoleUpstream}}
	}
	if u.Known {
		readings.Usage = &u.UsageReadings
	}
	return &lab.Window{
		Phase: phase, Layout: r.Layout, Attack: a.AttackResult,
		Accounts: account.Between(readings, r.Layout, r.SeparateIRQTime),
	}
}
