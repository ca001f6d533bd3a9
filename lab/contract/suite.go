package contract

import (
	"fmt"
	"net/http"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

// Suite is the contract check of one run: for each workload the vectors, then the inputs
// of one seed. All variants that offer a workload get the same requests of it.
type Suite struct {
	workloads *workload.Set
	parts     map[string]part // by workload
	expected  ExpectedIdentity
}

// part is what one workload asks.
type part struct {
	vectors  []workload.Vector
	requests []lab.Request // of the vectors, and then the inputs
	needs    []string      // names of services
	// subscription is how messages come to subscribers; nil: the workload has none.
	subscription *lab.SubscriptionRule
}

// NewSuite returns the suite of workloads, whose inputs depend on seed. expected holds what every
// server of the run must report.
func NewSuite(workloads *workload.Set, seed uint64, expected ExpectedIdentity) *Suite {
	s := &Suite{workloads: workloads, parts: map[string]part{}, expected: expected}
	for _, w := range workloads.All() {
		p := part{vectors: w.Vectors(), needs: w.Needs(), subscription: w.Subscription()}
		for _, v := range p.vectors {
			p.requests = append(p.requests, v.Request)
		}
		p.requests = append(p.requests, w.RandomRequests(seed)...)
		s.parts[w.Name] = p
	}
	return s
}

// Workloads returns the names of the workloads to put to a variant, in order. There are none if it
// offers none: such a server has an API of its own.
func (s *Suite) Workloads(v lab.Variant) (names []string) {
	for _, w := range s.workloads.OfferedBy(v) {
		names = append(names, w.Name)
	}
	return names
}

// Needs returns the names of the services that a server calls to answer a workload.
func (s *Suite) Needs(workload string) []string { return s.parts[workload].needs }

// Requests returns the requests of a workload, in the order in which to send them.
func (s *Suite) Requests(workload string) []lab.Request { return s.parts[workload].requests }

// Subscription returns how messages come to the subscribers of a workload; nil if it has none.
func (s *Suite) Subscription(workload string) *lab.SubscriptionRule {
	return s.parts[workload].subscription
}

// Succeeding returns the requests of workload.Set.Succeeding.
func (s *Suite) Succeeding() []lab.Request { return s.workloads.Succeeding() }

// CheckAnswers compares the answers to the requests of a workload with its vectors, and
// returns the differences as text. An input only needs an answer.
func (s *Suite) CheckAnswers(workload string, answers []lab.Answer) []string {
	p := s.parts[workload]
	if len(answers) != len(p.requests) {
		return []string{workload + ": " + message.Count(len(answers), "answer", "answers") + " to " +
			message.Count(len(p.requests), "request", "requests")}
	}
	var found []Difference
	for i, got := range answers {
		switch {
		case i < len(p.vectors):
			found = append(found, CheckAnswer(p.vectors[i], got)...)
		case got.Error != "":
			name := fmt.Sprintf("random input %d of %s", i-len(p.vectors), workload)
			pair := answerPair{vector: name, request: p.requests[i]}
			found = append(found, pair.newDifference("no answer: "+got.Error))
		}
	}
	return formatDifferences(found)
}

// CompareAnswers compares the answers of the variants a and b to any requests, and
// returns the differences as text.
func (s *Suite) CompareAnswers(
	requests []lab.Request, a, b string, answersA, answersB []lab.Answer,
) []string {
	return formatDifferences(CompareAnswers(requests, s.workloads.OptionalHeaders(), answersA, answersB, a, b))
}

// IdentityRequest returns the request for a server's identity.
func (s *Suite) IdentityRequest() lab.Request {
	return lab.Request{Method: http.MethodGet, Path: s.workloads.Identity().Path}
}

// CheckIdentity parses the answer to IdentityRequest and returns how it differs
// from the contract, from what every server of the run must report, and from
// variant v on these CPUs.
func (s *Suite) CheckIdentity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string) {
	want := s.expected
	want.Runtime, want.Model, want.Identity, want.CPUs = v.Application, v.Model, v.Identity, cpus
	return CheckIdentity(s.workloads.Identity(), answer, want)
}

func formatDifferences(found []Difference) []string {
	texts := make([]string, len(found))
	for i, d := range found {
		texts[i] = d.String()
	}
	return texts
}
