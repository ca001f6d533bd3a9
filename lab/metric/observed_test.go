package metric_test

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
	UpstreamCalls     *int64 // nil without an upstream
	Beside            []account.ServiceReadings
	ServiceTimes      *lab.ServiceTimes
}

// usage holds readings of the server's container.
type usage struct {
	account.UsageReadings
	Known bool
}

// sample returns the sample that follows from the readings.
func (o observed) sample() lab.Sample {
	s := o.Sample
	if o.Attack != nil {
		r := account.Readings{
			Cell:     o.Attack.CellReadings,
			Services: o.serviceReadings(o.ServerUsage, o.UpstreamCalls),
		}
		s.Measured = &lab.Window{
			Phase: o.Phase, Layout: o.Layout, Attack: o.Attack.AttackResult, ServiceTimes: o.ServiceTimes,
			Accounts: account.Between(r, false),
		}
	}
	if o.DoubleConnections != nil {
		s.Doubled = &lab.Window{Phase: o.Phase, Layout: o.Layout, Attack: o.DoubleConnections.AttackResult}
	}
	return s
}

// window returns the measured window that follows from the readings.
func (o observed) window() lab.Window { return *o.sample().Measured }

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
