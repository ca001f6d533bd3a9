package contract

import (
	"fmt"

	"runtimelab/lab"
)

// Exam is the contract as put to every variant of a run: the vectors, and
// after them random inputs from one seed.
type Exam struct {
	contract *Contract
	requests []lab.Request
	given    Expected
}

// NewExam is the contract with n random inputs. given is what every server of
// the run is given alike.
func NewExam(c *Contract, seed uint64, n int, given Expected) *Exam {
	requests := make([]lab.Request, 0, len(c.vectors)+n)
	for _, v := range c.vectors {
		requests = append(requests, v.Request)
	}
	return &Exam{contract: c, requests: append(requests, c.Random(seed, n)...), given: given}
}

// Requests are what each variant is asked, in this order.
func (e *Exam) Requests() []lab.Request { return e.requests }

// Succeeding returns what the contract answers with success.
func (e *Exam) Succeeding() []lab.Request { return e.contract.Succeeding() }

// Judge compares the answers to Requests with the vectors; random inputs must
// only have been answered.
func (e *Exam) Judge(answers []lab.Answer) []string {
	if len(answers) != len(e.requests) {
		return []string{fmt.Sprintf("%d answers to %d requests", len(answers), len(e.requests))}
	}
	var found []Difference
	for i, got := range answers {
		switch {
		case i < len(e.contract.vectors):
			found = append(found, Judge(e.contract.vectors[i], got)...)
		case got.Error != "":
			p := pair{vector: e.name(i), request: e.requests[i]}
			found = append(found, p.differ("no answer: "+got.Error))
		}
	}
	return texts(found)
}

// Compare compares two variants' answers to any requests.
func (e *Exam) Compare(requests []lab.Request, a, b string, answersA, answersB []lab.Answer) []string {
	return texts(Compare(requests, answersA, answersB, a, b))
}

// IdentityRequest is what to ask a server for its identity.
func (e *Exam) IdentityRequest() lab.Request { return e.contract.IdentityRequest() }

// Identity reads the answer to IdentityRequest, and says what differs from
// what every server must be given and from what v must be; cpus is what it was
// to run on.
func (e *Exam) Identity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string) {
	want := e.given
	want.Runtime, want.Model, want.GIL, want.CPUs = v.Application, v.Model, v.GIL, cpus
	return e.contract.Identity(answer, want)
}

func (e *Exam) name(i int) string {
	if i < len(e.contract.vectors) {
		return e.contract.vectors[i].Name
	}
	return fmt.Sprintf("random input %d", i-len(e.contract.vectors))
}

func texts(found []Difference) []string {
	words := make([]string, len(found))
	for i, d := range found {
		words[i] = d.String()
	}
	return words
}
