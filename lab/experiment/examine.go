package experiment

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

// examination is what one variant answered before anything is timed.
type examination struct {
	contract  []lab.Answer            // to the examiner's requests
	scenarios map[string][]lab.Answer // to all requests of each scenario, by its name
	problems  []string                // why the variant cannot be measured
}

// Examine asks every variant everything, without a trial, and returns why it
// refuses those that break the contract or differ from the others, and those that
// a trial would fail for what they say of themselves.
func (e *Experiment) Examine(ctx context.Context) (refused map[string]string, err error) {
	e.begin()
	variants := slices.Sorted(maps.Keys(e.Variants))
	if err := e.examine(ctx, variants); err != nil {
		return nil, err
	}
	if err := e.identities(ctx, variants); err != nil {
		return nil, err
	}
	return e.refused, nil
}

// examinedAtOnce is how many variants are examined side by side.
func examinedAtOnce() int { return max(2, runtime.NumCPU()) }

// examine asks variants everything, refuses those that break the contract or
// differ from the others, and keeps the answers to the scenarios' requests as
// what a hit must bring. Nothing is timed here, so that variants are examined
// side by side.
func (e *Experiment) examine(ctx context.Context, variants []string) error {
	var ids []string
	for _, id := range variants {
		if e.refused[id] == "" {
			ids = append(ids, id)
		}
	}
	e.Observer.Examining(len(ids))
	found := make([]examination, len(ids))
	var same bodies
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(examinedAtOnce())
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = e.interview(groupCtx, id)
			same.share(found[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, id := range ids {
		if len(found[i].problems) > 0 {
			e.refuse(id, found[i].problems)
		}
	}
	e.compare(ids, found)
	e.keepTargets(ids, found)
	return nil
}

// bodies are those of answers, each kept once: variants are to answer alike, and
// their answers to the contract are megabytes.
type bodies struct {
	mu   sync.Mutex
	once map[[sha256.Size]byte][]byte
}

func (b *bodies) share(x examination) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.once == nil {
		b.once = make(map[[sha256.Size]byte][]byte)
	}
	for _, answers := range append(slices.Collect(maps.Values(x.scenarios)), x.contract) {
		for i, a := range answers {
			sum := sha256.Sum256(a.Body)
			if had, ok := b.once[sum]; ok {
				answers[i].Body = had
			} else {
				b.once[sum] = a.Body
			}
		}
	}
}

// interview starts a variant in a cell of its own and asks it everything. What
// the server does wrong is in the examination; an error is the lab's own.
func (e *Experiment) interview(ctx context.Context, id string) (x examination, err error) {
	subject := lab.Sample{Variant: e.Variants[id], Image: e.Images[id], Scenario: lab.Scenario{Upstream: true}}
	err = e.inCell(ctx, subject, func(ctx context.Context, in setting) (err error) {
		if x, err = e.ask(ctx, id, in.cell); err != nil {
			return err
		}
		wrong, err := e.askIdentity(ctx, subject, in.cell)
		x.problems = append(x.problems, wrong...)
		return err
	})
	var broken *brokenServer
	if errors.As(err, &broken) {
		return examination{problems: []string{broken.how}}, nil
	}
	if err != nil {
		return x, fmt.Errorf("examining %s: %w", id, err)
	}
	return x, nil
}

func (e *Experiment) ask(ctx context.Context, id string, cell Cell) (x examination, err error) {
	if _, err := cell.Await(ctx, e.alive(), patience); err != nil {
		return x, err
	}
	if x.contract, err = cell.Check(ctx, e.Examiner.Requests()); err != nil {
		return x, err
	}
	x.problems = e.Examiner.Judge(x.contract)
	x.scenarios = make(map[string][]lab.Answer)
	for _, t := range e.Plan.Trials {
		if lab.OriginalOf(t.Variant) != id || x.scenarios[t.Scenario] != nil {
			continue
		}
		requests := allRequests(e.scenarios[t.Scenario])
		answers, err := cell.Check(ctx, requests)
		if err != nil {
			return x, err
		}
		for i, a := range answers {
			if a.Error != "" {
				x.problems = append(x.problems, fmt.Sprintf("scenario %s: %s %s got no answer: %s", t.Scenario, requests[i].Method, requests[i].Path, a.Error))
			}
		}
		x.scenarios[t.Scenario] = answers
	}
	return x, nil
}

// alive is what a server that is ready answers.
func (e *Experiment) alive() lab.Target {
	return lab.Target{Request: e.Examiner.IdentityRequest(), Status: 200}
}

// compare refuses variants that answer differently from the majority. Where
// there is none, nobody can say who is right and all who disagree are refused.
func (e *Experiment) compare(ids []string, found []examination) {
	var passed []int
	for i, id := range ids {
		if e.refused[id] == "" {
			passed = append(passed, i)
		}
	}
	differ := make(map[int][]string) // by variant: what differs from the first it disagrees with
	agree := make(map[int]int)
	for _, i := range passed {
		for _, j := range passed {
			if i == j {
				continue
			}
			if d := e.differences(ids[i], ids[j], found[i], found[j]); len(d) == 0 {
				agree[i]++
			} else if differ[i] == nil {
				differ[i] = d
			}
		}
	}
	for _, i := range passed {
		majority := 2*(agree[i]+1) > len(passed)
		if len(differ[i]) > 0 && !majority {
			e.refuse(ids[i], differ[i])
		}
	}
}

func (e *Experiment) differences(a, b string, xa, xb examination) []string {
	d := e.Examiner.Compare(e.Examiner.Requests(), a, b, xa.contract, xb.contract)
	for _, s := range e.Plan.Scenarios {
		if xa.scenarios[s.Name] == nil || xb.scenarios[s.Name] == nil {
			continue // not both run it
		}
		d = append(d, e.Examiner.Compare(allRequests(s), a, b, xa.scenarios[s.Name], xb.scenarios[s.Name])...)
	}
	return d
}

// allRequests is a scenario's requests, and after them those that its phases
// have of their own.
func allRequests(s lab.Scenario) []lab.Request {
	all := slices.Clone(s.Requests)
	for _, p := range s.Phases {
		all = append(all, p.Requests...)
	}
	return all
}

// targets is what a variant was asked by a scenario and what it must answer.
type targets struct {
	usual []lab.Target
	own   map[string][]lab.Target // by the phase's name, of those that have requests of their own
}

func (t targets) of(p lab.Phase) []lab.Target {
	if len(p.Requests) > 0 {
		return t.own[p.Name]
	}
	return t.usual
}

func (e *Experiment) keepTargets(ids []string, found []examination) {
	e.targets = make(map[string]map[string]targets)
	for i, id := range ids {
		for name, answers := range found[i].scenarios {
			if e.targets[name] == nil {
				e.targets[name] = make(map[string]targets)
			}
			e.targets[name][id] = pair(e.scenarios[name], answers)
		}
	}
}

// pair puts the answers to allRequests beside what they answer.
func pair(s lab.Scenario, answers []lab.Answer) targets {
	take := func(requests []lab.Request) (out []lab.Target) {
		for i, r := range requests {
			out = append(out, lab.Target{Request: r, Status: answers[i].Status, Body: answers[i].Body})
		}
		answers = answers[len(requests):]
		return out
	}
	t := targets{usual: take(s.Requests), own: make(map[string][]lab.Target)}
	for _, p := range s.Phases {
		if len(p.Requests) > 0 {
			t.own[p.Name] = take(p.Requests)
		}
	}
	return t
}

func (e *Experiment) refuse(id string, why []string) {
	e.refused[id] = "contract: " + strings.Join(why, "; ")
	e.Observer.Refused(id, why)
}
