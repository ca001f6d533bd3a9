package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// checkIdentity parses a server's identity and compares it with its variant and with
// the limits that the lab set.
func (e *Experiment) checkIdentity(answer lab.Answer, subject lab.Subject) (lab.Identity, error) {
	id, wrong := e.Checker.CheckIdentity(answer, subject.Variant, subject.Layout.Server)
	if len(wrong) > 0 {
		return id, fault.By(fault.Server, errors.New("identity: "+strings.Join(wrong, "; ")))
	}
	return id, nil
}

// checkUnchanged returns an error that lists the fields in which the identity under
// load differs from the one before.
func checkUnchanged(before, underLoad lab.Identity) error {
	var changed []string
	was, is := reflect.ValueOf(before), reflect.ValueOf(underLoad)
	for i := range was.NumField() {
		a, b := was.Field(i).Interface(), is.Field(i).Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		name := was.Type().Field(i).Tag.Get("json")
		changed = append(changed, fmt.Sprintf("%s was %s, is %s", name, toJSON(a), toJSON(b)))
	}
	if len(changed) == 0 {
		return nil
	}
	err := errors.New("identity: it changed under load: " + strings.Join(changed, "; "))
	return fault.By(fault.Server, err)
}

// toJSON returns a value as JSON in one line.
func toJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// requestIdentity asks a server in a cell for its identity and returns what is wrong
// with it.
func (e *Experiment) requestIdentity(ctx context.Context, subject lab.Subject, cell Cell) (
	problems []string, err error,
) {
	answers, err := cell.Send(ctx, []lab.Request{e.Checker.IdentityRequest()})
	if err != nil {
		return nil, err
	}
	if _, err := e.checkIdentity(answers[0], subject); err != nil {
		problems = []string{err.Error()}
	}
	return problems, nil
}

// checkIdentities starts each variant that is not refused on the CPUs of a trial, and
// refuses it if its identity is wrong there. It leaves out servers that have none.
func (e *Experiment) checkIdentities(ctx context.Context, variants []string) error {
	variants = slices.DeleteFunc(slices.Clone(variants),
		func(id string) bool { return e.refused[id] != "" || !keepsContract(e.Variants[id]) })
	found := make(map[string][]string, len(variants))
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelChecks())
	for _, id := range variants {
		group.Go(func() error {
			subject := lab.Subject{Variant: e.Variants[id], Image: e.Images[id], Layout: e.Plan.Layout}
			var problems []string
			err := e.withFreshCell(groupCtx, subject, func(ctx context.Context, cell Cell) (err error) {
				ready := e.readyTarget(subject.Variant, lab.Scenario{})
				if _, err = awaitFirstAnswer(ctx, cell, subject.Variant, ready); err == nil {
					problems, err = e.requestIdentity(ctx, subject, cell)
				}
				return err
			})
			if isOutcome(err) {
				problems, err = []string{err.Error()}, nil
			}
			mu.Lock()
			defer mu.Unlock()
			found[id] = problems
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, id := range variants {
		if len(found[id]) > 0 {
			e.refuse(id, found[id])
		}
	}
	return nil
}
