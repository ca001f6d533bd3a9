package contract

import (
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// Suite is the contract check of one run: the vectors, then random inputs from one
// seed. Every variant gets the same requests.
type Suite struct {
	contract *Contract
	requests []lab.Request
	expected ExpectedIdentity
}

// NewSuite returns a suite with the requests of c's vectors, followed by n random requests that
// depend only on c and seed. expected holds what every server of the run must report.
func NewSuite(c *Contract, seed uint64, n int, expected ExpectedIdentity) *Suite {
	requests := make([]lab.Request, 0, len(c.vectors)+n)
	for _, v := range c.vectors {
		requests = append(requests, v.Request)
	}
	return &Suite{contract: c, requests: append(requests, c.RandomRequests(seed, n)...), expected: expected}
}

// Requests returns the requests to send to each variant, in order.
func (s *Suite) Requests() []lab.Request { return s.requests }

// Succeeding returns the requests of Contract.Succeeding.
func (s *Suite) Succeeding() []lab.Request { return s.contract.Succeeding() }

// CheckAnswers compares the answers to Requests with the vectors, and returns the
// differences as text. A random input only needs an answer.
func (s *Suite) CheckAnswers(answers []lab.Answer) []string {
	if len(answers) != len(s.requests) {
		return []string{message.Count(len(answers), "answer", "answers") + " to " +
			message.Count(len(s.requests), "request", "requests")}
	}
	var found []Difference
	for i, got := range answers {
		switch {
		case i < len(s.contract.vectors):
			found = append(found, CheckAnswer(s.contract.vectors[i], got)...)
		case got.Error != "":
			p := answerPair{vector: s.requestName(i), request: s.requests[i]}
			found = append(found, p.newDifference("no answer: "+got.Error))
		}
	}
	return formatDifferences(found)
}

// CompareAnswers compares the answers of the variants a and b to any requests, and
// returns the differences as text.
func (s *Suite) CompareAnswers(
	requests []lab.Request, a, b string, answersA, answersB []lab.Answer,
) []string {
	return formatDifferences(CompareAnswers(requests, answersA, answersB, a, b))
}

// IdentityRequest returns the request for a server's identity.
func (s *Suite) IdentityRequest() lab.Request { return s.contract.IdentityRequest() }

// CheckIdentity parses the answer to IdentityRequest and returns how it differs
// from the contract, from what every server of the run must report, and from
// variant v on these CPUs.
func (s *Suite) CheckIdentity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string) {
	want := s.expected
	want.Runtime, want.Model, want.Identity, want.CPUs = v.Application, v.Model, v.Identity, cpus
	return s.contract.CheckIdentity(answer, want)
}

func (s *Suite) requestName(i int) string {
	if i < len(s.contract.vectors) {
		return s.contract.vectors[i].Name
	}
	return fmt.Sprintf("random input %d", i-len(s.contract.vectors))
}

func formatDifferences(found []Difference) []string {
	texts := make([]string, len(found))
	for i, d := range found {
		texts[i] = d.String()
	}
	return texts
}
