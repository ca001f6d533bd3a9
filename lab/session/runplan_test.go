package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"runtimelab/lab"
)

// measuredVariants keep the contract. refusedVariant breaks it.
var measuredVariants = []string{"rt/a", "rt/b", "rt/c", "rt/d", "rt/e"}

const refusedVariant = "rt/wrong"

// trialServices are the services beside servers, one for each other role.
var trialServices = map[string]lab.Service{
	lab.UpstreamName: {
		Role: lab.RoleUpstream, Name: lab.UpstreamName, Port: lab.UpstreamPort, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{Request: &lab.Request{Path: "/"}}, CallCount: &lab.Request{Path: "/hits"},
	},
	"postgres": {
		Role: lab.RoleDatabase, Name: "postgres", Port: 5432, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{},
	},
	"proxy": {
		Role: lab.RoleBalancer, Name: "proxy", Port: 8090, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{},
	},
	"queue": {
		Role: lab.RoleBroker, Name: "queue", Port: 5672, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{}, DependsOn: []string{"postgres"},
	},
}

// runScenarios have a server alone, with a service of each role, and with several. Their rates are
// shares of a trial's own peak, of a pilot's peak, and none.
func runScenarios() []lab.Scenario {
	warmUp := lab.Phase{Name: "warmup", Kind: lab.WarmUp, Connections: 8}
	peak := lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64}
	share := func(own bool) lab.Phase {
		return lab.Phase{
			Name: "steady", Kind: lab.Steady, Connections: 16,
			PeakShare: &lab.PeakShare{Fraction: 0.5, OfOwnPeak: own},
		}
	}
	all := []lab.Scenario{
		{Name: "alone", Phases: []lab.Phase{warmUp, peak, share(true)}},
		{Name: "calling", Phases: []lab.Phase{warmUp, share(false)}, Services: []string{lab.UpstreamName}},
		{Name: "storing", Phases: []lab.Phase{warmUp, peak}, Services: []string{"postgres"}},
		{Name: "fleet", Phases: []lab.Phase{warmUp, peak}, Services: []string{"proxy", "queue"}},
	}
	for i := range all {
		all[i].Requests = []lab.Request{{Method: "GET", Path: "/" + all[i].Name}}
	}
	return all
}

// newRunPlan returns a plan of so many blocks, with pilots.
func newRunPlan(layout lab.Layout, blocks int) lab.Plan {
	p := lab.Plan{
		Profile: lab.Profile{
			Name: "memory", Blocks: blocks, WarmUpMax: 4 * time.Second, PeakDuration: 3 * time.Second,
			SteadyDuration: 5 * time.Second,
		},
		Scenarios: runScenarios(), Layout: layout,
	}
	for block := 1; block <= blocks; block++ {
		position := 0
		for _, s := range p.Scenarios {
			variants := measuredVariants
			if s.Name == "alone" {
				variants = append(slices.Clone(variants), refusedVariant)
			}
			for _, v := range variants {
				position++
				p.Trials = append(p.Trials, lab.Trial{
					Scenario: s.Name, Variant: v, Cores: 1, Block: block, Position: position, Attempt: 1,
					Seed: uint64(len(p.Trials)),
				})
			}
		}
	}
	for i, v := range measuredVariants {
		p.Pilots = append(p.Pilots, lab.Pilot{Scenario: "calling", Variant: v, Cores: 1, Seed: uint64(i)})
	}
	p.MaxRepeats = len(p.Trials)
	return p
}

// answerOf returns what services answer: the path that was asked, or an identity.
func answerOf(s lab.Service, r lab.Request) lab.Answer {
	body := []byte(r.Path)
	if r.Path == "/identity" {
		id := lab.Identity{Process: lab.ProcessLimits{CPUsAllowed: lab.CPUList(s.CPUs.Pinned)}}
		var err error
		if body, err = json.Marshal(id); err != nil {
			return lab.Answer{Error: err.Error()}
		}
	} else if s.Name == refusedVariant {
		body = []byte("wrong")
	}
	return lab.Answer{Status: 200, Body: body}
}

// pathChecker wants answerOf: one workload, which every variant offers.
type pathChecker struct{}

func (pathChecker) Workloads(lab.Variant) []string { return []string{"hello"} }

func (pathChecker) Needs(string) []string { return nil }

func (pathChecker) Requests(workload string) []lab.Request {
	return []lab.Request{{Method: "GET", Path: "/" + workload}}
}

func (pathChecker) Subscription(string) *lab.SubscriptionRule { return nil }

func (c pathChecker) Succeeding() []lab.Request { return c.Requests("hello") }

func (pathChecker) CheckAnswers(workload string, answers []lab.Answer) []string {
	if got := string(answers[0].Body); got != "/"+workload {
		return []string{"it says " + got}
	}
	return nil
}

func (pathChecker) CompareAnswers(_ []lab.Request, a, b string, ofA, ofB []lab.Answer) []string {
	if string(ofA[0].Body) == string(ofB[0].Body) {
		return nil
	}
	return []string{fmt.Sprintf("%s says %s, %s says %s", a, ofA[0].Body, b, ofB[0].Body)}
}

func (pathChecker) IdentityRequest() lab.Request {
	return lab.Request{Method: "GET", Path: "/identity"}
}

func (pathChecker) CheckIdentity(a lab.Answer, _ lab.Variant, cpus []int) (id lab.Identity, wrong []string) {
	if err := json.Unmarshal(a.Body, &id); err != nil {
		return id, []string{err.Error()}
	}
	if want := lab.CPUList(cpus); want != "" && id.Process.CPUsAllowed != want {
		wrong = append(wrong, fmt.Sprintf("it runs on CPUs %s instead of %s", id.Process.CPUsAllowed, want))
	}
	return id, wrong
}
