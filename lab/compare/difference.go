package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/record"
)

// DifferenceKind is a kind of difference that forbids comparing two runs.
type DifferenceKind string

const (
	Identity DifferenceKind = "identity" // a column is missing that shows what was measured
	Host     DifferenceKind = "host"     // another machine
	Image    DifferenceKind = "image"    // other content of a variant's image
	Script   DifferenceKind = "script"   // another script of a scenario, other parameters, or another command
	Load     DifferenceKind = "load"     // other rates, connections or deadlines
	// Generator means that something else sent the requests, and has other limits and errors.
	Generator DifferenceKind = "generator"
	// Reference means that reference servers differ: the machine was faster or slower.
	Reference DifferenceKind = "reference"
)

// DifferenceKinds returns all kinds in the order of reports.
func DifferenceKinds() []DifferenceKind {
	return []DifferenceKind{Identity, Host, Image, Script, Load, Generator, Reference}
}

// MaxReferenceDifference is the largest relative difference allowed between the reference
// servers of two runs.
const MaxReferenceDifference = 0.03

// Difference is one difference between two runs.
type Difference struct {
	Kind DifferenceKind `json:"kind"`
	What string         `json:"what"`
	Old  string         `json:"old"`
	New  string         `json:"new"`
}

func (d Difference) String() string {
	if d.Old == "" && d.New == "" {
		return fmt.Sprintf("%s: %s", d.Kind, d.What)
	}
	return fmt.Sprintf("%s: %s: %s against %s",
		d.Kind, d.What, cmp.Or(shortenHashes(d.Old), "none"), cmp.Or(shortenHashes(d.New), "none"))
}

// shortenHashes cuts each SHA-256 in a text to its first 12 digits.
func shortenHashes(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if len(w) == 64 {
			words[i] = w[:12]
		}
	}
	return strings.Join(words, " ")
}

// Differences returns all differences that forbid comparing two runs.
func Differences(old, new *Run) []Difference {
	var all []Difference
	check := func(kind DifferenceKind, column, what string, a, b *distinctValues) {
		if old.gaps.has(column) || new.gaps.has(column) {
			return // identityDifferences reports the missing column instead
		}
		if a, b := a.String(), b.String(); a != b {
			all = append(all, Difference{kind, what, a, b})
		}
	}
	all = append(all, identityDifferences(old, new)...)
	all = append(all, hostDifference(old, new)...)
	for _, v := range sharedNames(old.images, new.images) {
		if !isLabImage(v) {
			check(Image, "content_sha256", v+" content_sha256", old.images[v], new.images[v])
		}
	}
	for _, s := range sharedNames(old.scripts, new.scripts) {
		if old.gaps.has("parameters") || new.gaps.has("parameters") {
			check(Script, "scenario_sha256", s+" scenario_sha256",
				old.scripts[s].firstWords(), new.scripts[s].firstWords())
			continue
		}
		check(Script, "scenario_sha256", s+" scenario_sha256 and parameters", old.scripts[s], new.scripts[s])
	}
	all = append(all, startDifferences(old, new)...)
	for _, k := range old.keys() {
		g, other := old.groups[k], new.groups[k]
		if other == nil || lab.OriginalOf(k.Variant) != k.Variant {
			continue
		}
		for i, column := range loadColumns {
			switch {
			case column == generatorColumn && len(g.loads[i].values) > 1: // on both sides it may be the same mix
				all = append(all,
					Difference{Generator, k.String() + " " + column, g.loads[i].String(), other.loads[i].String()})
			case column == generatorColumn:
				check(Generator, column, k.String()+" "+column, &g.loads[i], &other.loads[i])
			case isGivenLoad(i, g, other):
				check(Load, column, k.String()+" "+column, &g.loads[i], &other.loads[i])
			}
		}
	}
	return append(all, referenceDifference(old, new)...)
}

// startDifferences returns the differences in how the servers of variants were started, and in the
// services beside them. Commands are in scripts and not in the image, so content_sha256 does not show
// them. They are known where run.json lies beside the rows.
func startDifferences(old, new *Run) (all []Difference) {
	if old.Info == nil || new.Info == nil {
		return nil
	}
	for _, id := range sharedNames(old.images, new.images) {
		a, known := old.Info.MeasuredVariants[id]
		b, alsoKnown := new.Info.MeasuredVariants[id]
		if !known || !alsoKnown || isLabImage(id) {
			continue
		}
		for _, part := range []struct{ name, old, new string }{
			{"command", strings.Join(a.Variant.Command, " "), strings.Join(b.Variant.Command, " ")},
			{"environment", environment(a.Variant), environment(b.Variant)},
			{"model", a.Variant.Model, b.Variant.Model},
		} {
			if part.old != part.new {
				all = append(all, Difference{Script, id + " " + part.name, part.old, part.new})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old.Info.Services)) {
		a := old.Info.Services[name]
		b, known := new.Info.Services[name]
		switch before, after := a.Image.ContentSHA256, b.Image.ContentSHA256; {
		case !known:
		case before != after:
			all = append(all, Difference{Image, "service " + name + " content_sha256", before, after})
		case !record.SameService(a, b):
			all = append(all, Difference{Script, "service " + name, "one service.star", "another"})
		}
	}
	return all
}

// environment returns a variant's own environment as name=value, sorted by name.
func environment(v lab.Variant) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(v.Env)) {
		all = append(all, name+"="+v.Env[name])
	}
	return strings.Join(all, " ")
}

// isGivenLoad reports whether both groups were given the load of column i. A load that
// their trials found is no difference: the rates of a search, or a share of the peak of the
// same trial, which varies within a run.
func isGivenLoad(i int, a, b *group) bool {
	found := func(g *group) bool { return len(g.loads[i].values) > 1 }
	return loadColumns[i] != "offered_rps" || !a.kind.Traits().FindsCapacity() && !found(a) && !found(b)
}

// referenceDifference returns why reference servers forbid a comparison: they differ too
// much, or they were started but have no valid trial in both runs.
func referenceDifference(old, new *Run) []Difference {
	keys, logRatio := sharedReferences(old, new), referenceLogRatio(old, new)
	switch {
	case logRatio != nil && math.Abs(*logRatio) > -math.Log1p(-MaxReferenceDifference):
		return []Difference{{
			Kind: Reference,
			What: fmt.Sprintf("reference servers differ by %+.1f%%, more than the %.0f%% allowed",
				percentChange(*logRatio), 100*MaxReferenceDifference),
		}}
	case logRatio == nil && len(keys) > 0 && !sameRun(old, new):
		return []Difference{{
			Kind: Reference, What: "no reference server has a valid trial in both runs, valid",
			Old: old.usableTrials(keys, new), New: new.usableTrials(keys, old),
		}}
	}
	return nil
}

// sharedNames returns the names that are in both maps, sorted.
func sharedNames(a, b map[string]*distinctValues) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(name string) bool { return b[name] == nil })
}

// ParseKinds parses the values of --ignore. An unknown one is a usage error that lists the
// valid ones.
func ParseKinds(names []string) ([]DifferenceKind, error) {
	var valid []string
	for _, k := range DifferenceKinds() {
		valid = append(valid, string(k))
	}
	var kinds []DifferenceKind
	for _, name := range names {
		if !slices.Contains(valid, name) {
			hint := "valid: " + strings.Join(valid, ", ")
			if name == "schema" {
				hint = "columns of another schema mean something else; " + hint
			}
			return nil, &fault.Error{
				Code: fault.ExitUsage,
				Err:  fmt.Errorf("--ignore %q: unknown; %s", name, message.Suggest(name, valid)), Hint: hint,
			}
		}
		kinds = append(kinds, DifferenceKind(name))
	}
	return kinds, nil
}

// maxListed is the largest number of differences of one kind that an error lists.
const maxListed = 6

// CheckComparable returns a usage error that lists all differences between the old run and
// the new ones, except ignored kinds; nil if there are none.
func CheckComparable(old *Run, news []*Run, ignore []DifferenceKind) error {
	var lines []string
	var kinds []string
	for _, n := range news {
		listed := map[DifferenceKind]int{}
		for _, d := range Differences(old, n) {
			if slices.Contains(ignore, d.Kind) {
				continue
			}
			if listed[d.Kind]++; listed[d.Kind] <= maxListed || d.Kind == Identity {
				lines = append(lines, fmt.Sprintf("%s, %s: %s", old.Label, n.Label, d))
			}
			if !slices.Contains(kinds, string(d.Kind)) {
				kinds = append(kinds, string(d.Kind))
			}
		}
		for _, k := range DifferenceKinds()[1:] {
			if more := listed[k] - maxListed; more > 0 {
				lines = append(lines, fmt.Sprintf("%s, %s: %s: %d more", old.Label, n.Label, k, more))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	hint := hostHint(old, news, kinds)
	for _, k := range ignore {
		if !slices.Contains(kinds, string(k)) {
			kinds = append(kinds, string(k))
		}
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("the runs cannot be compared:\n  %s", strings.Join(lines, "\n  ")),
		Hint: "to compare them anyway (the report says so): --ignore " + strings.Join(kinds, ",") + hint,
	}
}
