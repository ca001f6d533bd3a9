package contract

import (
	"fmt"

	"runtimelab/lab"
)

// Suite is the contract as put to every variant of a run: the vectors, and
// after them random inputs from one seed.
type Suite struct {
	contract *Contract
	requests []lab.Request
	expected ExpectedIdentity
}

// NewSuite is the contract with n random inputs. given is what every server of
// the run is given alike.
func NewSuite(c *Contract, seed uint64, n int, given ExpectedIdentity) *Suite {
	requests := make([]lab.Request, 0, len(c.vectors)+n)
	for _, v := range c.vectors {
		requests = append(requests, v.Request)
	}
	return &Suite{contract: c, requests: append(requests, c.RandomRequests(seed, n)...), expected: given}
}

// Requests are what each variant is asked, in this order.
func (e *Suite) Requests() []lab.Request { return e.requests }

// Succeeding returns what the contract answers with success.
func (e *Suite) Succeeding() []lab.Request { return e.contract.Succeeding() }

// CheckAnswers compares the answers to Requests with the vectors; random inputs must
// only have been answered.
func (e *Suite) CheckAnswers(answers []lab.Answer) []string {
	if len(answers) != len(e.requests) {
		return []string{fmt.Sprintf("%d answers to %d requests", len(answers), len(e.requests))}
	}
	var found []Difference
	for i, got := range answers {
		switch {
		case i < len(e.contract.vectors):
			found = append(found, CheckAnswer(e.contract.vectors[i], got)...)
		case got.Error != "":
			p := answerPair{vector: e.requestName(i), request: e.requests[i]}
			found = append(found, p.newDifference("no answer: "+got.Error))
		}
	}
	return formatDifferences(found)
}

// CompareAnswers compares two variants' answers to any requests.
func (e *Suite) CompareAnswers(requests []lab.Request, a, b string, answersA,
	answersB []lab.Answer,
) []string {
	return formatDifferences(CompareAnswers(requests, answersA, answersB, a, b))
}

// IdentityRequest is what to ask a server for its identity.
func (e *Suite) IdentityRequest() lab.Request { return e.contract.IdentityRequest() }

// CheckIdentity reads the answer to IdentityRequest, and says what differs from
// what every server must be given and from what v must be; cpus is what it was
// to run on.
func (e *Suite) CheckIdentity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string) {
	want := e.expected
	want.Runtime, want.Model, want.GIL, want.CPUs = v.Application, v.Model, v.GIL, cpus
	return e.contract.CheckIdentity(answer, want)
}

func (e *Suite) requestName(i int) string {
	if i < len(e.contract.vectors) {
		return e.contract.vectors[i].Name
	}
	return fmt.Sprintf("random input %d", i-len(e.contract.vectors))
}

func formatDifferences(found []Difference) []string {
	words := make([]string, len(found))
	for i, d := range found {
		words[i] = d.String()
	}
	return words
}
