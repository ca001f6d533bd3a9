package session

import (
	"math/rand/v2"
	"slices"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/engine/memory"
	"runtimelab/lab/fault"
)

// trialFault is a fault of a trial.
type trialFault struct {
	memory.Fault
	disk diskFault
}

// diskFault is a fault of the disk when a trial is recorded.
type diskFault string

const (
	diskFull diskFault = "disk full"            // nothing is written
	diskTorn diskFault = "disk full, after all" // a part of a row is written
)

// rolesOf returns the roles of a scenario's cells, in the order in which they start.
func rolesOf(scenario string) []lab.Role {
	return map[string][]lab.Role{
		"alone":   {lab.RoleGenerator, lab.RoleServer},
		"calling": {lab.RoleGenerator, lab.RoleUpstream, lab.RoleServer},
		"storing": {lab.RoleGenerator, lab.RoleDatabase, lab.RoleServer},
		"fleet":   {lab.RoleGenerator, lab.RoleBalancer, lab.RoleDatabase, lab.RoleBroker, lab.RoleServer},
	}[scenario]
}

// faultsOf returns every fault that a trial of a scenario can have.
func faultsOf(scenario string) (all []trialFault) {
	add := func(m memory.Moment, role lab.Role, kinds ...memory.Kind) {
		for _, k := range kinds {
			all = append(all, trialFault{Fault: memory.Fault{Moment: m, Kind: k, Role: role}})
		}
	}
	common := []memory.Kind{memory.EngineSilent, memory.LeaseLost, memory.UserInterrupts}
	for _, role := range rolesOf(scenario) {
		add(memory.Opening, role, append(common, memory.CallFails, memory.ServiceEnds)...)
		for _, m := range []memory.Moment{memory.WarmUp, memory.Attack, memory.Canary} {
			add(m, role, memory.ServiceEnds)
		}
		add(memory.Readiness, role, memory.ServiceEnds)
		add(memory.Reading, role, memory.ServiceEnds)
		if role != lab.RoleGenerator {
			add(memory.Readiness, role, append(common, memory.NeverReady, memory.AgentBreaks)...)
			add(memory.Reading, role, append(common, memory.CallFails)...)
		}
	}
	for _, m := range []memory.Moment{memory.WarmUp, memory.Attack, memory.Canary} {
		add(m, "", append(common, memory.AgentBreaks)...)
	}
	add(memory.Closing, "", append(common, memory.CallFails)...)
	add(memory.Closing, lab.RoleServer, memory.ServiceEnds)
	return append(all, trialFault{disk: diskFull}, trialFault{disk: diskTorn})
}

// outcome is what must become of a trial with a fault, and of the run.
type outcome struct {
	validity lab.Validity // of the trial's first row
	reason   string       // part of the reason of that row
	ends     fault.Party  // who ends the run; zero: nobody
	text     string       // part of the error that ends the run
	recorded bool         // the trial has its rows although the run ends
}

// outcomeOf returns what must become of a trial with a fault. It uses nothing of the code under test.
func outcomeOf(f trialFault) outcome {
	valid := outcome{validity: lab.Valid, recorded: true}
	ends := func(p fault.Party, text string) outcome {
		o := outcome{validity: lab.Valid, ends: p, text: text}
		// A trial has ended before its cell closes, unless the engine does not close it.
		o.recorded = f.Moment == memory.Closing && (f.Kind == memory.LeaseLost || f.Kind == memory.UserInterrupts)
		return o
	}
	row := func(reasons map[lab.Role]string) outcome {
		validity := map[lab.Role]lab.Validity{
			lab.RoleGenerator: lab.Disturbed, lab.RoleUpstream: lab.Disturbed, lab.RoleServer: lab.Failed,
			lab.RoleDatabase: lab.Failed, lab.RoleBalancer: lab.Failed, lab.RoleBroker: lab.Failed,
		}[f.Role]
		return outcome{validity: validity, reason: reasons[f.Role], recorded: true}
	}
	switch {
	case f.disk != "":
		return ends(fault.Lab, "no space left on device")
	case f.Kind == memory.UserInterrupts:
		return ends(fault.User, "interrupted by the user")
	case f.Kind == memory.EngineSilent:
		return ends(fault.Engine, "the engine does not answer any more")
	case f.Kind == memory.LeaseLost:
		return ends(fault.Engine, "the engine has ended this run's lease")
	case f.Kind == memory.CallFails:
		return ends(fault.Engine, "input/output error")
	case f.Kind == memory.AgentBreaks && f.Moment == memory.Canary:
		return ends(fault.Lab, "canary")
	case f.Kind == memory.AgentBreaks:
		return outcome{
			validity: lab.Disturbed, reason: "the agent's stderr: fatal error: out of luck", recorded: true,
		}
	case f.Kind == memory.ServiceEnds && f.Moment == memory.Closing:
		return valid
	case f.Kind == memory.ServiceEnds:
		return row(map[lab.Role]string{
			lab.RoleGenerator: "the generator exited with code 137",
			lab.RoleServer:    "the server exited with code 7",
			lab.RoleUpstream:  "the upstream exited with code 7",
			lab.RoleDatabase:  "the database postgres exited with code 7",
			lab.RoleBalancer:  "the balancer proxy exited with code 7",
			lab.RoleBroker:    "the broker queue exited with code 7",
		})
	case f.Kind == memory.NeverReady:
		const late = "no correct answer within 30s; last: connection refused"
		return row(map[lab.Role]string{
			lab.RoleServer:   late,
			lab.RoleUpstream: "waiting until the upstream is ready: " + late,
			lab.RoleDatabase: "waiting until the database postgres is ready: " + late,
			lab.RoleBalancer: "waiting until the balancer proxy is ready: " + late,
			lab.RoleBroker:   "waiting until the broker queue is ready: " + late,
		})
	}
	return valid // no fault
}

// placeFaults gives each fault of each scenario, or one of so many, to one of its trials. No two of
// these follow one another: a fault may end the run in the next trial.
func placeFaults(t *testing.T, p lab.Plan, oneOf int) map[lab.TrialID]trialFault {
	random := rand.New(rand.NewPCG(20, 0))
	left := make(map[string][]trialFault) // by scenario
	for _, s := range p.Scenarios {
		all := faultsOf(s.Name)
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		left[s.Name] = all[:len(all)/oneOf]
	}
	trials := slices.DeleteFunc(slices.Clone(p.Trials), // no cell opens for the others
		func(t lab.Trial) bool { return t.Variant == refusedVariant })
	faulty := make([]bool, len(trials))
	placed := make(map[lab.TrialID]trialFault)
	for _, i := range random.Perm(len(trials) - 1) {
		trial := trials[i]
		all := left[trial.Scenario]
		if len(all) == 0 || faulty[i+1] || faulty[max(i-1, 0)] {
			continue
		}
		faulty[i], placed[trial.ID()], left[trial.Scenario] = true, all[0], all[1:]
	}
	for name, all := range left {
		if len(all) > 0 {
			t.Fatalf("the plan has too few trials of %s for %d of its faults", name, len(all))
		}
	}
	return placed
}
