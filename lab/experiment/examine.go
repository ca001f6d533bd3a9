package experiment

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

// examination is what one variant answered before anything is timed.
type examination struct {
	contract  []lab.Answer            // to the examiner's requests
	scenarios map[string][]lab.Answer // to each scenario's requests, by its name
	problems  []string                // why the variant cannot be measured
}

// examine asks every variant everything, refuses those that break the
// contract or differ from the others, and keeps the answers to the scenarios'
// requests as what a hit must bring. Nothing is timed here, so that variants
// are examined side by side.
func (e *Experiment) examine(ctx context.Context) error {
	var ids []string
	for _, id := range e.order() {
		if e.refused[id] == "" {
			ids = append(ids, id)
		}
	}
	e.Observer.Examining(len(ids))
	found := make([]examination, len(ids))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.NumCPU()))
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = e.interview(groupCtx, id)
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

// interview starts a variant in a cell of its own and asks it everything. What
// the server does wrong is in the examination; an error is the lab's own.
func (e *Experiment) interview(ctx context.Context, id string) (x examination, err error) {
	cell, err := e.Cells.OpenCell(ctx, nil)
	if err != nil {
		return x, err
	}
	server, err := cell.StartServer(ctx, e.Variants[id], e.Images[id], nil)
	defer func() { err = errors.Join(err, closing(ctx, cell, server)) }()
	if err != nil {
		return x, err
	}
	alive, stop := whileRunning(ctx, server)
	defer stop()
	x, err = e.ask(alive, id, cell)
	if err == nil {
		return x, nil
	}
	if ctx.Err() != nil {
		return x, context.Cause(ctx)
	}
	return examination{problems: []string{trouble(ctx, server, err)}}, nil
}

func (e *Experiment) ask(ctx context.Context, id string, cell Cell) (x examination, err error) {
	live := lab.Target{Request: e.Examiner.IdentityRequest(), Status: 200}
	if _, err := cell.Await(ctx, live, patience); err != nil {
		return x, err
	}
	if x.contract, err = cell.Check(ctx, e.Examiner.Requests()); err != nil {
		return x, err
	}
	x.problems = e.Examiner.Judge(x.contract)
	x.scenarios = make(map[string][]lab.Answer)
	for _, t := range e.Plan.Trials {
		if t.Variant != id || x.scenarios[t.Scenario] != nil {
			continue
		}
		requests := e.scenarios[t.Scenario].Requests
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
		d = append(d, e.Examiner.Compare(s.Requests, a, b, xa.scenarios[s.Name], xb.scenarios[s.Name])...)
	}
	return d
}

func (e *Experiment) keepTargets(ids []string, found []examination) {
	e.targets = make(map[string]map[string][]lab.Target)
	for i, id := range ids {
		for name, answers := range found[i].scenarios {
			if e.targets[name] == nil {
				e.targets[name] = make(map[string][]lab.Target)
			}
			for k, r := range e.scenarios[name].Requests {
				e.targets[name][id] = append(e.targets[name][id], lab.Target{Request: r, Status: answers[k].Status, Body: answers[k].Body})
			}
		}
	}
}

func (e *Experiment) refuse(id string, why []string) {
	e.refused[id] = "contract: " + strings.Join(why, "; ")
	e.Observer.Refused(id, why)
}
