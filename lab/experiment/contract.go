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
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

// variantAnswers is what one variant answered before anything is timed.
type variantAnswers struct {
	contract  []lab.Answer            // to the examiner's requests
	scenarios map[string][]lab.Answer // to all requests of each scenario, by its name
	again     map[string][]lab.Answer // to the same, asked a second time
	problems  []string                // why the variant cannot be measured
}

// CheckContract asks every variant everything, without a trial, and returns why it
// refuses those that break the contract or differ from the others. It examines a
// twin as its original, and not the lab's own responders. The error is a *lab.Fault
// where a scenario is not answered with success; refused is complete then too. Run
// uses what Examine found.
func (e *Experiment) CheckContract(ctx context.Context) (refused map[string]string, err error) {
	e.prepare()
	wrong, err := e.checkContract(ctx, e.originals())
	if err != nil {
		return nil, err
	}
	return e.refused, wrong
}

// ExamineIdentities also refuses the variants that a trial would fail for what they
// say of themselves on its CPUs. An examination gives a server all CPUs, so that it
// cannot check which it says. It is to be called after Examine.
func (e *Experiment) ExamineIdentities(ctx context.Context) (refused map[string]string, err error) {
	if err := e.identities(ctx, e.originals()); err != nil {
		return nil, err
	}
	return e.refused, nil
}

// originals are the ids of the variants that are examined: a twin is its original,
// and the lab's own responders are known.
func (e *Experiment) originals() (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(e.Variants)) {
		if id == lab.OriginalOf(id) && !e.Variants[id].Responder {
			ids = append(ids, id)
		}
	}
	return ids
}

// examinedAtOnce is how many variants are examined side by side.
func examinedAtOnce() int { return max(2, runtime.NumCPU()) }

// checkContract asks variants everything, refuses those that break the contract or
// differ from the others, and keeps the answers to the scenarios' requests as
// what a hit must bring. wrong lists the requests that are not answered with success.
// Nothing is timed here, so that variants are examined side by side.
func (e *Experiment) checkContract(ctx context.Context, variants []string) (wrong, err error) {
	var ids []string
	for _, id := range variants {
		if e.refused[id] == "" {
			ids = append(ids, id)
		}
	}
	e.Observer.ContractCheckStarted(len(ids))
	found := make([]variantAnswers, len(ids))
	var same bodyCache
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(examinedAtOnce())
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = e.collectAnswers(groupCtx, id)
			same.deduplicate(found[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, id := range ids {
		if len(found[i].problems) > 0 {
			e.refuse(id, found[i].problems)
		}
	}
	if wrong = e.wrongAnswers(ids, found); wrong != nil {
		for i := range found { // wrong lists these already; compare the contract only
			found[i].scenarios = nil
		}
	}
	e.refuseMinority(ids, found)
	if wrong == nil {
		e.setTargets(ids, found)
	}
	return wrong, nil
}

// bodyCache are those of answers, each kept once: variants are to answer alike, and
// their answers to the contract are megabytes.
type bodyCache struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte][]byte
}

func (b *bodyCache) deduplicate(x variantAnswers) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byHash == nil {
		b.byHash = make(map[[sha256.Size]byte][]byte)
	}
	for _, answers := range slices.Concat(
		slices.Collect(maps.Values(x.scenarios)), slices.Collect(maps.Values(x.again)), [][]lab.Answer{x.contract},
	) {
		for i, a := range answers {
			sum := sha256.Sum256(a.Body)
			if had, ok := b.byHash[sum]; ok {
				answers[i].Body = had
			} else {
				b.byHash[sum] = a.Body
			}
		}
	}
}

// collectAnswers starts a variant in a cell of its own and asks it everything. What
// the server does wrong is in the examination; an error is the lab's own.
func (e *Experiment) collectAnswers(ctx context.Context, id string) (x variantAnswers, err error) {
	subject := lab.Sample{Variant: e.Variants[id], Image: e.Images[id], Scenario: lab.Scenario{Upstream: true}}
	err = e.withFreshCell(ctx, subject, func(ctx context.Context, in trialEnv) (err error) {
		if x, err = e.requestAnswers(ctx, id, in.cell); err != nil {
			return err
		}
		wrong, err := e.askIdentity(ctx, subject, in.cell)
		x.problems = append(x.problems, wrong...)
		return err
	})
	var broken *serverError
	if errors.As(err, &broken) {
		return variantAnswers{problems: []string{broken.reason}}, nil
	}
	if err != nil {
		return x, fmt.Errorf("examining %s: %w", id, err)
	}
	return x, nil
}

func (e *Experiment) requestAnswers(ctx context.Context, id string, cell Cell) (x variantAnswers, err error) {
	if _, err := cell.AwaitFirstAnswer(ctx, e.readyTarget(), firstAnswerTimeout); err != nil {
		return x, err
	}
	var silent []string
	if x.scenarios, silent, err = e.askScenarios(ctx, id, cell); err != nil {
		return x, err
	}
	asked := time.Now()
	if x.contract, err = cell.Send(ctx, e.Checker.Requests()); err != nil {
		return x, err
	}
	x.problems = append(e.Checker.CheckAnswers(x.contract), silent...)
	if len(x.problems) > 0 || len(x.scenarios) == 0 {
		return x, nil
	}
	// A clock of whole seconds has gone on.
	if err := pause(ctx, e.Between-time.Since(asked)); err != nil {
		return x, err
	}
	x.again, x.problems, err = e.askScenarios(ctx, id, cell)
	return x, err
}

// askScenarios asks a variant all requests of its scenarios, once, and lists those
// that got no answer, which is the variant's fault.
func (e *Experiment) askScenarios(ctx context.Context, id string, cell Cell) (
	all map[string][]lab.Answer, silent []string, err error,
) {
	all = make(map[string][]lab.Answer)
	for _, t := range e.Plan.Trials {
		if lab.OriginalOf(t.Variant) != id || all[t.Scenario] != nil {
			continue
		}
		s := e.scenarioByName[t.Scenario]
		requests := s.AllRequests()
		answers, err := cell.Send(ctx, requests)
		if err != nil {
			return nil, nil, err
		}
		for i, a := range answers {
			if a.Error != "" {
				r := requests[i]
				silent = append(silent, fmt.Sprintf("scenario %s: %s: %s %s got no answer: %s",
					s.Name, r.At.In(s.File), r.Method, shownPath(r.Path), a.Error))
			}
		}
		all[t.Scenario] = answers
	}
	return all, silent, nil
}

// pause waits for so long, unless ctx ends before.
func pause(ctx context.Context, lasts time.Duration) error {
	if lasts <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(lasts):
		return nil
	}
}

// readyTarget is what a server that is ready answers.
func (e *Experiment) readyTarget() lab.Target {
	return lab.Target{Request: e.Checker.IdentityRequest(), Status: 200}
}

// refuseMinority refuses variants that answer differently from the majority. Where
// there is none, nobody can say who is right and all who disagree are refused.
func (e *Experiment) refuseMinority(ids []string, found []variantAnswers) {
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

func (e *Experiment) differences(a, b string, xa, xb variantAnswers) []string {
	d := e.Checker.CompareAnswers(e.Checker.Requests(), a, b, xa.contract, xb.contract)
	for _, s := range e.Plan.Scenarios {
		if xa.scenarios[s.Name] == nil || xb.scenarios[s.Name] == nil {
			continue // not both run it
		}
		d = append(d,
			e.Checker.CompareAnswers(s.AllRequests(), a, b, xa.scenarios[s.Name], xb.scenarios[s.Name])...)
	}
	return d
}

// phaseTargets is what a variant was asked by a scenario and what it must answer.
type phaseTargets struct {
	scenario []lab.Target
	byPhase  map[string][]lab.Target // by the phase's name, of those that have requests of their own
}

func (t phaseTargets) forPhase(p lab.Phase) []lab.Target {
	if len(p.Requests) > 0 {
		return t.byPhase[p.Name]
	}
	return t.scenario
}

func (e *Experiment) setTargets(ids []string, found []variantAnswers) {
	e.targets = make(map[string]map[string]phaseTargets)
	for i, id := range ids {
		for name, answers := range found[i].scenarios {
			if e.targets[name] == nil {
				e.targets[name] = make(map[string]phaseTargets)
			}
			e.targets[name][id] = targetsFromAnswers(e.scenarioByName[name], answers)
		}
	}
}

// targetsFromAnswers puts the answers to a scenario's AllRequests beside what they answer.
func targetsFromAnswers(s lab.Scenario, answers []lab.Answer) phaseTargets {
	take := func(requests []lab.Request) (out []lab.Target) {
		for i, r := range requests {
			out = append(out, lab.Target{Request: r, Status: answers[i].Status, Body: answers[i].Body})
		}
		answers = answers[len(requests):]
		return out
	}
	t := phaseTargets{scenario: take(s.Requests), byPhase: make(map[string][]lab.Target)}
	for _, p := range s.Phases {
		if len(p.Requests) > 0 {
			t.byPhase[p.Name] = take(p.Requests)
		}
	}
	return t
}

func (e *Experiment) refuse(id string, why []string) {
	e.refused[id] = "contract: " + strings.Join(why, "; ")
	e.Observer.VariantRefused(id, why)
}
