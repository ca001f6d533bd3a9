package cli

import (
	"context"
	"errors"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/script"
)

// recheckDelay is the time before the requests of a scenario are repeated, to find
// answers that change. A clock that shows whole seconds has changed by then.
const recheckDelay = 1100 * time.Millisecond

// checkContract checks variants against the contract, and against the requests of
// scenarios. It returns the reasons of those that fail, by variant id. A mistake of a
// scenario is an error, beside which the reasons are returned too.
func (s *session) checkContract(
	ctx context.Context, variants map[string]lab.Variant, scenarios []lab.Scenario, library *script.Library,
	checker experiment.ContractChecker,
) (map[string]string, error) {
	images, missing, err := s.ensureImages(ctx, library.RuntimesOf(func(v lab.Variant) bool {
		_, wanted := variants[v.ID()]
		return wanted
	}))
	if err != nil {
		return nil, err
	}
	observer := newProgress(s.app.Err, lab.Plan{}, nil, func(string) {})
	defer observer.Close()
	e := &experiment.Experiment{
		Variants: variants, Images: images, ImageErrors: missing, Plan: requestPlan(scenarios, variants),
		Cells: s.cells(), Checker: checker, Observer: observer, RecheckDelay: recheckDelay,
	}
	e.Plan.Layout = s.layout
	refused, scenarioErr := e.CheckContract(ctx)
	if refused == nil {
		return nil, scenarioErr
	}
	refused, err = e.CheckIdentities(ctx)
	return refused, errors.Join(scenarioErr, err)
}

// requestPlan returns a plan with one trial for each scenario and each of its variants
// that is in variants. Checking it sends the requests of the scenarios.
func requestPlan(scenarios []lab.Scenario, variants map[string]lab.Variant) lab.Plan {
	p := lab.Plan{Scenarios: scenarios}
	for _, s := range scenarios {
		for _, id := range s.Variants {
			if _, wanted := variants[lab.OriginalOf(id)]; wanted {
				p.Trials = append(p.Trials, lab.Trial{Scenario: s.Name, Variant: id})
			}
		}
	}
	return p
}

// checkVariants checks the variants of an experiment before it measures. It returns a
// note for the run on each variant that will not be measured.
func (m *measurement) checkVariants(
	ctx context.Context, e *experiment.Experiment,
) (notes []string, err error) {
	observer := newProgress(m.Err, lab.Plan{}, nil, func(note string) { notes = append(notes, note) })
	defer observer.Close()
	e.Observer = observer
	_, err = e.CheckContract(ctx)
	return notes, err
}
