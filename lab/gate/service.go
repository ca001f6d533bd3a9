package gate

import (
	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// serviceLimit returns a result if a service beside the server may have been the limit, so that its
// own queueing is in the server's latency: by its role's share of its CPUs, by one busy thread, or by
// a CPU quota. A service's share includes that of other services on the same CPUs.
func serviceLimit(w lab.Window) *lab.GateResult {
	for _, s := range w.Accounts.Beside {
		limit := s.Role.Traits().MaxCPU
		if limit == 0 {
			continue
		}
		used, shared := metric.ServiceCPURatio(w, s), metric.SharedServiceCPURatio(w, s)
		thread := metric.BusiestServiceThreadRatio(w, s)
		periods, _ := metric.OwnThrottledPeriods(s)
		switch {
		case periods > 0:
			return newResult(lab.Censored, "service %s: the CPU quota of its container throttled it in %s (limit 0)",
				s.Name, message.Count(int(periods), "period", "periods"))
		case used >= limit:
			return newResult(lab.Censored, "service %s: it used %.0f%% of its CPUs (limit %.0f%%), so its own "+
				"queueing is in the server's latency", s.Name, 100*used, 100*limit)
		case shared >= limit:
			return newResult(lab.Censored, "service %s: it and the services that share its CPUs used %.0f%% of "+
				"them (limit %.0f%%), so their queueing is in the server's latency", s.Name, 100*shared, 100*limit)
		case thread >= MaxServiceThreadCPU:
			return newResult(lab.Censored, "service %s: its busiest thread used %.0f%% of a CPU (limit %.0f%%)",
				s.Name, 100*thread, 100*MaxServiceThreadCPU)
		}
	}
	return nil
}

// unattributed returns a result if processes that belong to no service used CPU time: then nothing
// tells what the server used.
func unattributed(w lab.Window) *lab.GateResult {
	used := metric.UnattributedCPURatio(w)
	if used <= MaxUnattributedCPU {
		return nil
	}
	return newResult(lab.Failed, "processes of the cell used %.1f%% of a CPU (limit %.1f%%), and nothing tells "+
		"which service they belong to: they left their parents and their sessions",
		100*used, 100*MaxUnattributedCPU)
}

// tooFewCalls returns a result if the server answered more often than it called a service that it
// must call for each answer.
func tooFewCalls(w lab.Window) *lab.GateResult {
	for _, s := range w.Accounts.Beside {
		if s.Calls == nil || *s.Calls >= w.Attack.Succeeded {
			continue
		}
		return newResult(lab.Failed, "the server gave %s but called its %s only %s",
			message.Count(int(w.Attack.Succeeded), "answer", "answers"), s.Role,
			message.Count(int(*s.Calls), "time", "times"))
	}
	return nil
}
