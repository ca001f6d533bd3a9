package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// CheckConditions returns an error that lists the conditions of a run that have changed
// since it began.
func CheckConditions(was, now Info) error {
	changes := hostChanges(was.Host, now.Host)
	changes = append(changes, changesOf("engine", was.Engine, now.Engine)...)
	changes = append(changes, changesOf("version of", was.Versions, now.Versions)...)
	changes = append(changes,
		changesOf("layout for servers with", layoutTexts(was.Plan), layoutTexts(now.Plan))...)
	changes = append(changes, variantChanges(was, now)...)
	changes = append(changes, serviceChanges(was, now)...)
	if len(changes) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err: fmt.Errorf("run %s cannot be resumed: these have changed since it began\n  %s",
			was.RunID, strings.Join(changes, "\n  ")),
		Hint: fmt.Sprintf("restore them, or measure the plan again: lab run --like %s", was.RunID),
	}
}

// hostChanges returns how the host differs: by its facts, or else by its id.
func hostChanges(was, now Host) (changes []string) {
	if was.Same(now) {
		return nil
	}
	if changes = changesOf("host", was.Facts(), now.Facts()); len(changes) > 0 {
		return changes
	}
	return changesOf("host", map[string]string{"id": was.ID}, map[string]string{"id": now.ID})
}

// layoutTexts describes the layouts of a plan, with their doubts, by the number of the
// server's CPUs.
func layoutTexts(p lab.Plan) map[string]string {
	texts := make(map[string]string)
	for _, l := range append([]lab.Layout{p.Layout}, p.WiderLayouts...) {
		parts := []string{"server on " + lab.CPUList(l.Server), "generator on " + lab.CPUList(l.Generator)}
		for _, s := range l.Spare {
			parts = append(parts, fmt.Sprintf("%d to spare", s.ID))
		}
		texts[message.Count(len(l.Server), "CPU", "CPUs")] = strings.Join(append(parts, l.Doubts...), ", ")
	}
	return texts
}

// changesOf returns the values that differ between two maps, each with its name; what
// describes the maps.
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

// variantChanges returns the variants whose image or script has changed.
func variantChanges(was, now Info) (changes []string) {
	for _, id := range slices.Sorted(maps.Keys(was.MeasuredVariants)) {
		before, after := was.MeasuredVariants[id], now.MeasuredVariants[id]
		// The id of an image changes when it is built again from the same content.
		before.Image.ID, after.Image.ID = "", ""
		// What a variant offers decides what it is checked against, and not what it does in a trial.
		before.Variant.Offers, after.Variant.Offers = nil, nil
		switch {
		case before.Image.ContentSHA256 != after.Image.ContentSHA256:
			changes = append(changes, fmt.Sprintf("image of %s: content %.12s then, %.12s now",
				id, before.Image.ContentSHA256, after.Image.ContentSHA256))
		case !equalAsJSON(before, after):
			changes = append(changes, fmt.Sprintf("script of %s", id))
		}
	}
	return changes
}

// serviceChanges returns the services whose image or script has changed.
func serviceChanges(was, now Info) (changes []string) {
	for _, name := range slices.Sorted(maps.Keys(was.Services)) {
		before, after := was.Services[name], now.Services[name]
		switch {
		case before.Image.ContentSHA256 != after.Image.ContentSHA256:
			changes = append(changes, fmt.Sprintf("image of the service %s: content %.12s then, %.12s now",
				name, before.Image.ContentSHA256, after.Image.ContentSHA256))
		case !SameService(before, after):
			changes = append(changes, fmt.Sprintf("script of the service %s", name))
		}
	}
	return changes
}

// SameService reports whether two services run the same content in the same way.
func SameService(a, b lab.Service) bool {
	a.Image.ID, b.Image.ID = "", "" // it changes when an image is built again from the same content
	return equalAsJSON(a, b)
}

// equalAsJSON compares two values by their JSON, because one of them was read from JSON.
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
