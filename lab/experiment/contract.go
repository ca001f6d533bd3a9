package experiment

import (
	"context"
	"crypto/sha256"
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

// variantAnswers holds one variant's answers to the workloads that it offers and to all its
// scenarios, and why it cannot be measured.
type variantAnswers struct {
	workloads map[string][]lab.Answer // by workload: to its requests
	scenarios map[string][]lab.Answer // by scenario name: to all its requests
	repeated  map[string][]lab.Answer // like scenarios, for the second time
	problems  []string                // empty if the variant can be measured
}

// CheckContract sends every variant the requests of the workloads that it offers and of its
// scenarios, without a trial. It returns why it refuses variants that break the contract or
// answer differently from the others. A twin counts as its original, and the lab's own
// responders are not checked. The error is a *fault.Error if a scenario is not answered
// with success; refused is complete then too. Run uses the result.
func (e *Experiment) CheckContract(ctx context.Context) (refused map[string]string, err error) {
	e.prepare()
	wrong, err := e.checkContract(ctx, e.originals())
	if err != nil {
		return nil, err
	}
	return e.refused, wrong
}

// CheckIdentities also refuses variants that report a wrong identity on the CPUs of a
// trial. CheckContract cannot check the CPUs, because it gives a server all of them.
// Call CheckIdentities after CheckContract.
func (e *Experiment) CheckIdentities(ctx context.Context) (refused map[string]string, err error) {
	if err := e.checkIdentities(ctx, e.originals()); err != nil {
		return nil, err
	}
	return e.refused, nil
}

// originals returns the ids of the variants to check: neither twins, which are their
// originals, nor the lab's own responders.
func (e *Experiment) originals() (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(e.Variants)) {
		if id == lab.OriginalOf(id) && !e.Variants[id].Responder {
			ids = append(ids, id)
		}
	}
	return ids
}

// maxParallelChecks returns how many variants are checked at the same time.
func maxParallelChecks() int { return max(2, runtime.NumCPU()) }

// checkContract sends all requests to the variants and refuses those that break the
// contract or answer differently from the others. It keeps the answers to the
// scenarios' requests as the answers that hits must have. wrong lists the requests
// that are not answered with success. Nothing is timed, so variants run concurrently.
func (e *Experiment) checkContract(ctx context.Context, variants []string) (wrong, err error) {
	var ids []string
	for _, id := range variants {
		if e.refused[id] == "" {
			ids = append(ids, id)
		}
	}
	e.Observer.ContractCheckStarted(len(ids))
	found := make([]variantAnswers, len(ids))
	var bodies bodyCache
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelChecks())
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = e.collectAnswers(groupCtx, id)
			bodies.deduplicate(found[i])
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
		for i := range found { // wrong lists these already: compare the contract only
			found[i].scenarios = nil
		}
	}
	e.refuseMinority(ids, found)
	if wrong == nil {
		e.setTargets(ids, found)
	}
	return wrong, nil
}

// bodyCache keeps equal bodies of answers only once. Variants should answer alike, and
// one variant's answers to the contract take megabytes.
type bodyCache struct {
	mu     sync.Mutex
	byHash map[[sha256.Size]byte][]byte
}

// deduplicate replaces the bodies of answers by equal ones that the cache has already.
func (b *bodyCache) deduplicate(x variantAnswers) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byHash == nil {
		b.byHash = make(map[[sha256.Size]byte][]byte)
	}
	for _, answers := range slices.Concat(
		slices.Collect(maps.Values(x.scenarios)),
		slices.Collect(maps.Values(x.repeated)),
		slices.Collect(maps.Values(x.workloads)),
	) {
		for i, a := range answers {
			sum := sha256.Sum256(a.Body)
			if known, ok := b.byHash[sum]; ok {
				answers[i].Body = known
			} else {
				b.byHash[sum] = a.Body
			}
		}
	}
}

// collectAnswers starts a variant in its own cell and sends it the requests of the workloads that it
// offers and of its scenarios. A mistake of the server becomes a problem; the error is the lab's.
func (e *Experiment) collectAnswers(ctx context.Context, id string) (x variantAnswers, err error) {
	subject := lab.Subject{
		Variant: e.Variants[id], Image: e.Images[id], Scenario: lab.Scenario{Services: e.servicesOf(id)},
	}
	err = e.withFreshCell(ctx, subject, func(ctx context.Context, cell Cell) (err error) {
		if x, err = e.requestAnswers(ctx, id, cell); err != nil {
			return err
		}
		var wrong []string
		if keepsContract(subject.Variant) {
			wrong, err = e.requestIdentity(ctx, subject, cell)
		} else {
			wrong, err = checkNotRoot(ctx, cell, subject.Variant)
		}
		x.problems = append(x.problems, wrong...)
		return err
	})
	if isOutcome(err) {
		return variantAnswers{problems: []string{err.Error()}}, nil
	}
	if err != nil {
		return x, fmt.Errorf("checking %s against the contract: %w", id, err)
	}
	return x, nil
}

// servicesOf returns the names of the services that a variant needs to answer the workloads that it
// offers and its scenarios.
func (e *Experiment) servicesOf(id string) (names []string) {
	for _, w := range e.Checker.Workloads(e.Variants[id]) {
		names = append(names, e.Checker.Needs(w)...)
	}
	for _, t := range e.Plan.Trials {
		if lab.OriginalOf(t.Variant) == id {
			names = append(names, e.scenarioByName[t.Scenario].Services...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// requestAnswers sends a variant the requests of its scenarios, of the workloads that it offers, and
// of its scenarios again.
func (e *Experiment) requestAnswers(ctx context.Context, id string, cell Cell) (x variantAnswers, err error) {
	v := e.Variants[id]
	if _, err := awaitFirstAnswer(ctx, cell, v, e.readyTarget(v, e.firstScenarioOf(id))); err != nil {
		return x, err
	}
	var unanswered []string
	if x.scenarios, unanswered, err = e.requestScenarios(ctx, id, cell); err != nil {
		return x, err
	}
	firstCheck := time.Now()
	x.workloads = make(map[string][]lab.Answer)
	for _, name := range e.Checker.Workloads(v) {
		if x.workloads[name], err = cell.Send(ctx, requestsTo(v, e.Checker.Requests(name))); err != nil {
			return x, err
		}
		x.problems = append(x.problems, e.Checker.CheckAnswers(name, x.workloads[name])...)
		delivered, err := e.checkSubscribers(ctx, name, cell)
		if err != nil {
			return x, err
		}
		x.problems = append(x.problems, delivered...)
	}
	x.problems = append(x.problems, unanswered...)
	if len(x.problems) > 0 || len(x.scenarios) == 0 {
		return x, nil
	}
	// Wait until an answer that shows the time in seconds has changed.
	if err := pause(ctx, e.RecheckDelay-time.Since(firstCheck)); err != nil {
		return x, err
	}
	x.repeated, x.problems, err = e.requestScenarios(ctx, id, cell)
	return x, err
}

// checkSubscribers returns how messages of a workload do not come to its subscribers. It returns nothing
// for a workload without any.
func (e *Experiment) checkSubscribers(ctx context.Context, workload string, cell Cell) (
	problems []string, err error,
) {
	rule := e.Checker.Subscription(workload)
	if rule == nil {
		return nil, nil
	}
	faults, err := cell.CheckSubscribers(ctx, *rule)
	for _, f := range faults {
		problems = append(problems, workload+": "+f.String())
	}
	return problems, err
}

// requestScenarios sends a variant all requests of its scenarios once. unanswered lists
// those without an answer, which are problems of the variant.
func (e *Experiment) requestScenarios(ctx context.Context, id string, cell Cell) (
	all map[string][]lab.Answer, unanswered []string, err error,
) {
	all = make(map[string][]lab.Answer)
	for _, t := range e.Plan.Trials {
		if lab.OriginalOf(t.Variant) != id || all[t.Scenario] != nil {
			continue
		}
		s := e.scenarioByName[t.Scenario]
		requests := s.AllRequests()
		answers, err := cell.Send(ctx, requestsTo(e.Variants[id], requests))
		if err != nil {
			return nil, nil, err
		}
		for i, a := range answers {
			if a.Error != "" {
				r := requests[i]
				unanswered = append(unanswered, fmt.Sprintf("scenario %s: %s: %s %s got no answer: %s",
					s.Name, r.At.In(s.File), r.Method, printablePath(r.Path), a.Error))
			}
		}
		all[t.Scenario] = answers
	}
	return all, unanswered, nil
}

// firstScenarioOf returns the first scenario of a variant, or a scenario without requests.
func (e *Experiment) firstScenarioOf(id string) lab.Scenario {
	for _, t := range e.Plan.Trials {
		if lab.OriginalOf(t.Variant) == id {
			return e.scenarioByName[t.Scenario]
		}
	}
	return lab.Scenario{}
}

// pause waits for a duration, or until ctx ends.
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

// phaseTargets holds a scenario's requests and the answers that a variant must give.
type phaseTargets struct {
	scenario []lab.Target
	byPhase  map[string][]lab.Target // by name, for phases with their own requests
}

// forPhase returns the targets of a phase.
func (t phaseTargets) forPhase(p lab.Phase) []lab.Target {
	if len(p.Requests) > 0 {
		return t.byPhase[p.Name]
	}
	return t.scenario
}

// setTargets makes the answers of variants the ones that they must give under load.
func (e *Experiment) setTargets(ids []string, found []variantAnswers) {
	e.targets = make(map[string]map[string]phaseTargets)
	for i, id := range ids {
		for name, answers := range found[i].scenarios {
			if e.targets[name] == nil {
				e.targets[name] = make(map[string]phaseTargets)
			}
			e.targets[name][id] = targetsFromAnswers(e.Variants[id], e.scenarioByName[name], answers)
		}
	}
}

// targetsFromAnswers combines a scenario's AllRequests, as a variant gets them, with its answers.
func targetsFromAnswers(v lab.Variant, s lab.Scenario, answers []lab.Answer) phaseTargets {
	take := func(requests []lab.Request) (out []lab.Target) {
		for i, r := range requestsTo(v, requests) {
			t := lab.Target{Request: r, Status: answers[i].Status}
			if r.HasExactBody() {
				t.Body = answers[i].Body
			}
			out = append(out, t)
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

// refuse excludes a variant from the trials and tells the observer.
func (e *Experiment) refuse(id string, why []string) {
	e.refused[id] = "contract: " + strings.Join(why, "; ")
	e.Observer.VariantRefused(id, why)
}
