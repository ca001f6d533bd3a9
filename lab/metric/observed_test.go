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
	var r account.Readings
	if o.UpstreamCalls != nil {
		r.Beside = []account.ServiceReadings{{Role: lab.RoleUpstream, Calls: o.UpstreamCalls}}
	}
	if o.ServerUsage.Known {
		r.Usage = &o.ServerUsage.UsageReadings
	}
	if o.Attack != nil {
		r.Cell = o.Attack.CellReadings
		s.Measured = &lab.Window{
			Phase: o.Phase, Layout: o.Layout, Attack: o.Attack.AttackResult, ServiceTimes: o.ServiceTimes,
			Accounts: account.Between(r, o.Layout, false),
		}
	}
	if o.DoubleConnections != nil {
		s.Doubled = &lab.Window{Phase: o.Phase, Layout: o.Layout, Attack: o.DoubleConnections.AttackResult}
	}
	return s
}

// window returns the measured window that follows from the readings.
func (o observed) window() lab.Window { return *o.sample().Measured }
