package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// resume is the plan of an earlier run, to be finished.
func (c planFlags) resume(a *app, run string) (*runSetup, error) {
	root, err := a.rootDir()
	if err != nil {
		return nil, err
	}
	out := &runSetup{checkout: root}
	if out.resumedRun, err = out.read(run); err != nil {
		return nil, err
	}
	if err := record.CheckResumable(out.resumedRun.Info); err != nil {
		return nil, err
	}
	if err := out.load(a.ctx, script.ParameterValues{}); err != nil {
		return nil, err
	}
	return out, out.usePlanOf(out.resumedRun)
}

// baseModeOf is which bases a run began on: others, which may have come within reach
// since or gone out of it, would be other images.
func baseModeOf(i record.Info) image.BaseMode {
	for _, e := range i.MeasuredVariants {
		if mode := image.BaseModeOf(e.Image.BaseOrigin); mode != image.Auto { // as the lab's own responders are
			return mode
		}
	}
	return image.Auto
}

// checkConditions refuses to go on with a run under other conditions than it began
// under, and says which.
func checkConditions(was, now record.Info) error {
	changes := otherHost(was.Host, now.Host)
	changes = append(changes, changesOf("engine", was.Engine, now.Engine)...)
	changes = append(changes, changesOf("version of", was.Versions, now.Versions)...)
	changes = append(changes,
		changesOf("CPUs where a server is given", layoutTexts(was.Plan), layoutTexts(now.Plan))...)
	changes = append(changes, changedVariants(was, now)...)
	if len(changes) == 0 {
		return nil
	}
	return &lab.Fault{
		Code: lab.ExitUsage,
		Err: fmt.Errorf("run %s cannot be resumed: what it measures, or with what, has changed\n  %s", was.RunID,
			strings.Join(changes, "\n  ")),
		Hint: fmt.Sprintf("Restore that, or measure the plan anew: lab run --like %s", was.RunID),
	}
}

// otherHost names in what another machine differs: by its id where by nothing else.
func otherHost(was, now record.Host) (changes []string) {
	if was.Same(now) {
		return nil
	}
	if changes = changesOf("host", was.Facts(), now.Facts()); len(changes) > 0 {
		return changes
	}
	return changesOf("host", map[string]string{"id": was.ID}, map[string]string{"id": now.ID})
}

// layoutTexts are where generator and server run, by the number of CPUs that a server has,
// and what weakens figures there, such as a limit of the engine's.
func layoutTexts(p lab.Plan) map[string]string {
	all := make(map[string]string)
	for _, l := range append([]lab.Layout{p.Layout}, p.WiderLayouts...) {
		words := append([]string{"server on " + lab.CPUList(l.Server), "generator on " + lab.CPUList(l.Generator)},
			l.Doubts...)
		all[fmt.Sprint(len(l.Server))] = strings.Join(words, ", ")
	}
	return all
}

// changesOf names what differs between two tables of words.
func changesOf(what string, was, now map[string]string) (changes []string) {
	names := slices.Collect(maps.Keys(was))
	for name := range now {
		if _, both := was[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if was[name] != now[name] {
			changes = append(changes, fmt.Sprintf("%s %s: %q then, %q now", what, name, was[name], now[name]))
		}
	}
	return changes
}

// changedVariants names the variants that are not what they were.
func changedVariants(was, now record.Info) (changes []string) {
	for _, id := range slices.Sorted(maps.Keys(was.MeasuredVariants)) {
		then, has := was.MeasuredVariants[id], now.MeasuredVariants[id]
		// An image that was built anew from the same content has another id.
		then.Image.ID, has.Image.ID = "", ""
		switch {
		case then.Image.ContentSHA256 != has.Image.ContentSHA256:
			changes = append(changes, fmt.Sprintf("image of %s: content %.12s then, %.12s now", id,
				then.Image.ContentSHA256, has.Image.ContentSHA256))
		case !equalAsJSON(then, has):
			changes = append(changes, fmt.Sprintf("%s: its script says something else", id))
		}
	}
	return changes
}

// equalAsJSON compares as JSON does, through which one of the two has gone.
func equalAsJSON(a, b any) bool {
	var plain [2]any
	for i, x := range []any{a, b} {
		text, err := json.Marshal(x)
		if err == nil {
			err = json.Unmarshal(text, &plain[i])
		}
		if err != nil {
			return false
		}
	}
	return reflect.DeepEqual(plain[0], plain[1])
}
