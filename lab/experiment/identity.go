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
)

// checkIdentity reads what a server says of itself, which must be what it should be
// and was given.
func (e *Experiment) checkIdentity(answer lab.Answer, subject lab.Sample) (lab.Identity, error) {
	id, wrong := e.Checker.CheckIdentity(answer, subject.Variant, subject.Layout.Server)
	if len(wrong) > 0 {
		return id, errors.New("identity: " + strings.Join(wrong, "; "))
	}
	return id, nil
}

// unchanged returns an error that names the fields in which an identity under
// load is not what it was before.
func unchanged(before, under lab.Identity) error {
	var changed []string
	was, is := reflect.ValueOf(before), reflect.ValueOf(under)
	for i := range was.NumField() {
		a, b := was.Field(i).Interface(), is.Field(i).Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		name := was.Type().Field(i).Tag.Get("json")
		changed = append(changed, fmt.Sprintf("%s %s, and before %s", name, spelt(b), spelt(a)))
	}
	if len(changed) == 0 {
		return nil
	}
	return errors.New("identity: under load it says " + strings.Join(changed, "; "))
}

// spelt writes a value as JSON, in one line.
func spelt(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// askIdentity has a server in a cell say what it is, and returns what is wrong with it.
func (e *Experiment) askIdentity(ctx context.Context, subject lab.Sample, cell Cell) (problems []string,
	err error,
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

// identities starts each variant that is not refused on the CPUs that a trial
// gives it, and refuses those that say something wrong of themselves there.
func (e *Experiment) identities(ctx context.Context, variants []string) error {
	variants = slices.DeleteFunc(slices.Clone(variants), func(id string) bool { return e.refused[id] != "" })
	found := make(map[string][]string, len(variants))
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(examinedAtOnce())
	for _, id := range variants {
		group.Go(func() error {
			subject := lab.Sample{Variant: e.Variants[id], Image: e.Images[id], Layout: e.Plan.Layout}
			var problems []string
			err := e.withFreshCell(groupCtx, subject, func(ctx context.Context, in trialEnv) (err error) {
				if _, err = in.cell.AwaitFirstAnswer(ctx, e.readyTarget(), firstAnswerTimeout); err == nil {
					problems, err = e.askIdentity(ctx, subject, in.cell)
				}
				return err
			})
			var broken *serverError
			if errors.As(err, &broken) {
				problems, err = []string{broken.reason}, nil
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
