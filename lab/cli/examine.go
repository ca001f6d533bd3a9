package cli

import (
	"context"
	"errors"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/script"
)

// betweenAskings is how long a scenario is not asked again in an examination: a
// clock that a server shows, in whole seconds at the coarsest, has gone on by then.
const betweenAskings = 1100 * time.Millisecond

// checkContract says why variants fail an examination, by their ids: the contract's, and
// that they answer what scenarios ask of them. Who fails is known also where the
// scenarios are at fault, which is the error then.
func (s *session) checkContract(
	ctx context.Context, variants map[string]lab.Variant, scenarios []lab.Scenario, library *script.Library,
	exam experiment.ContractChecker,
) (map[string]string, error) {
	images, missing, err := s.images(ctx, library.RuntimesOf(func(v lab.Variant) bool {
		_, wanted := variants[v.ID()]
		return wanted
	}))
	if err != nil {
		return nil, err
	}
	watched := newProgress(s.app.Err, lab.Plan{}, nil, func(string) {})
	defer watched.Close()
	e := &experiment.Experiment{
		Variants: variants, Images: images, ImageErrors: missing, Plan: asking(scenarios, variants),
		Cells: s.cells(), Checker: exam, Observer: watched, RecheckDelay: betweenAskings,
	}
	e.Plan.Layout = s.layout
	refused, wrong := e.CheckContract(ctx)
	if refused == nil {
		return nil, wrong
	}
	refused, err = e.CheckIdentities(ctx)
	return refused, errors.Join(wrong, err)
}

// asking is a plan by which variants are asked what scenarios ask of them.
func asking(scenarios []lab.Scenario, variants map[string]lab.Variant) lab.Plan {
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

// examined examines the variants of an experiment, and returns which are not
// measured and why, in words to keep with the run.
func (m *measurement) examined(ctx context.Context, e *experiment.Experiment) (refused []string, err error) {
	watched := newProgress(m.Err, lab.Plan{}, nil, func(words string) { refused = append(refused, words) })
	defer watched.Close()
	e.Observer = watched
	_, err = e.CheckContract(ctx)
	return refused, err
}
