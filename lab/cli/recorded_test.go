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
	WarmUp            *recordedAttack
	Attack            *recordedAttack
	ServerUsage       recordedUsage
	DoubleConnections *recordedAttack
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
	Attack           *recordedAttack
	Server           recordedUsage
}

// recordedAttack is an attack with its readings.
type recordedAttack struct {
	lab.AttackResult
	Before        recordedReading `json:"before"`
	After         recordedReading `json:"after"`
	GeneratorCPUs []int           `json:"generator_cpus"`
}

// recordedReading is a reading of a cell as those labs took it: of the server, and of the upstream's
// CPU time. The generator's sleeps include the upstream's.
type recordedReading struct {
	account.Reading
	UpstreamCPU time.Duration     `json:"upstream_cpu_ns"`
	Threads     []account.Thread  `json:"threads"`
	Processes   []account.Process `json:"processes"`
}

// The names of the services of a recorded trial.
const (
	recordedServer   = "server"
	recordedUpstream = "upstream"
)

// reading returns the reading with its services. The upstream is one thread.
func (r recordedReading) reading() account.Reading {
	r.Services = []account.ServiceUsage{
		{Name: recordedServer, Threads: r.Threads, Processes: r.Processes},
		{Name: recordedUpstream, Threads: []account.Thread{{PID: 2, TID: 2, CPU: r.UpstreamCPU}}},
	}
	return r.Reading
}

// sample returns the sample that follows from the readings.
func (r recordedSample) sample() lab.Sample {
	s := lab.Sample{
		RunID: r.RunID, Row: r.Row, HostID: r.HostID, StartedAt: r.StartedAt,
		Subject: lab.Subject{
			Trial: r.Trial, Scenario: r.Scenario, Variant: r.Variant, Image: r.Image, Layout: r.Layout,
			Generator: lab.Vegeta, // labs of that time had no other
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
			s.Measured.Accounts.Beside[0].Calls = &r.Upstream.Calls
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
func (r recordedSample) window(phase lab.Phase, a *recordedAttack, u recordedUsage) *lab.Window {
	if a == nil {
		return nil
	}
	server := account.ServiceReadings{Role: lab.RoleServer, Name: recordedServer, CPUs: r.Layout.Server}
	if u.Known {
		server.Usage = &u.UsageReadings
	}
	readings := account.Readings{
		Cell: account.CellReadings{
			Before: a.Before.reading(), After: a.After.reading(), GeneratorCPUs: a.GeneratorCPUs,
		},
		Services: []account.ServiceReadings{server},
	}
	if r.Upstream != nil {
		readings.Services = append(readings.Services, account.ServiceReadings{
			Role: lab.RoleUpstream, Name: recordedUpstream, CPUs: r.Layout.Generator,
		})
	}
	return &lab.Window{
		Phase: phase, Layout: r.Layout, Attack: a.AttackResult,
		Accounts: account.Between(readings, r.SeparateIRQTime),
	}
}
