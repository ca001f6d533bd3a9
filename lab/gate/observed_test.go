package gate

import (
	"runtimelab/lab"
	"runtimelab/lab/account"
)

// observed is a sample with the readings that its accounts are made of.
type observed struct {
	lab.Sample
	Attack            *account.Observation // nil if nothing was measured
	ServerUsage       usage
	DoubleConnections *account.Observation
	DoubledServer     usage
	UpstreamCalls     *int64 // nil without an upstream
	Beside            []account.ServiceReadings
	Steps             []searchStep // of a search; nil without one
	SeparateIRQTime   bool
}

// usage holds readings of the server's container.
type usage struct {
	account.UsageReadings
	Known bool
}

// searchStep is a step of a search with its readings.
type searchStep struct {
	Stage           lab.SearchStage
	OfferedRPS      float64
	SLOMet          bool
	InstrumentLimit string
	Attack          *account.Observation
	Server          usage
}

// sample returns the sample that follows from the readings.
func (o observed) sample() lab.Sample {
	s := o.Sample
	s.Measured = o.window(o.Attack, o.ServerUsage, o.UpstreamCalls)
	s.Doubled = o.window(o.DoubleConnections, o.DoubledServer, nil)
	if o.Steps != nil {
		s.Search = &lab.Search{}
	}
	for _, step := range o.Steps {
		s.Search.Steps = append(s.Search.Steps, lab.SearchStep{
			Stage: step.Stage, OfferedRPS: step.OfferedRPS, SLOMet: step.SLOMet,
			InstrumentLimit: step.InstrumentLimit, Window: o.window(step.Attack, step.Server, nil),
		})
	}
	return s
}

// window returns the window of an attack, or nil if there was none.
func (o observed) window(a *account.Observation, u usage, calls *int64) *lab.Window {
	if a == nil {
		return nil
	}
	r := account.Readings{Cell: a.CellReadings, Services: o.serviceReadings(u, calls)}
	return &lab.Window{
		Phase: o.Phase, Layout: o.Layout, Attack: a.AttackResult,
		Accounts: account.Between(r, o.SeparateIRQTime),
	}
}

// serviceReadings returns what was read of each service besides the cell's readings.
func (o observed) serviceReadings(u usage, calls *int64) []account.ServiceReadings {
	server := account.ServiceReadings{Role: lab.RoleServer, Name: "server", CPUs: o.Layout.Server}
	if u.Known {
		server.Usage = &u.UsageReadings
	}
	all := append([]account.ServiceReadings{server}, o.Beside...)
	if o.UpstreamCalls != nil {
		all = append(all, account.ServiceReadings{
			Role: lab.RoleUpstream, Name: "upstream", CPUs: o.Layout.Generator, Calls: calls,
		})
	}
	return all
}
