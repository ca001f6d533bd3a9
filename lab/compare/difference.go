package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
)

// DifferenceKind is a kind of difference that keeps two runs from being compared.
type DifferenceKind string

const (
	Identity  DifferenceKind = "identity"  // it is not known whether they are of the same thing
	Host      DifferenceKind = "host"      // another machine
	Image     DifferenceKind = "image"     // other content of a variant's image
	Script    DifferenceKind = "script"    // another script of a scenario, or other parameters
	Load      DifferenceKind = "load"      // other rates, connections or deadlines
	Reference DifferenceKind = "reference" // reference servers that do not agree: the machine was not the same
)

// DifferenceKinds are all kinds, in the order of reports.
func DifferenceKinds() []DifferenceKind {
	return []DifferenceKind{Identity, Host, Image, Script, Load, Reference}
}

// MaxReferenceDifference is by how much the reference servers of two runs may differ.
const MaxReferenceDifference = 0.03

// Difference is one thing in which two runs differ.
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
	return fmt.Sprintf("%s: %s: %s against %s", d.Kind, d.What, cmp.Or(shortenHashes(d.Old), "none"),
		cmp.Or(shortenHashes(d.New), "none"))
}

// shortenHashes is a text with as much of each hash in it as tells it from others.
func shortenHashes(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if len(w) == 64 {
			words[i] = w[:12]
		}
	}
	return strings.Join(words, " ")
}

// Differences are all that keeps two runs from being compared.
func Differences(old, new *Run) []Difference {
	var all []Difference
	note := func(kind DifferenceKind, column, what string, a, b *distinctValues) {
		if old.gaps.has(column) || new.gaps.has(column) {
			return // whether they differ is not known
		}
		if a, b := a.String(), b.String(); a != b {
			all = append(all, Difference{kind, what, a, b})
		}
	}
	all = append(all, unidentified(old, new)...)
	all = append(all, otherHost(old, new)...)
	for _, v := range shared(old.images, new.images) {
		if !labImage(v) {
			note(Image, "content_sha256", v+" content_sha256", old.images[v], new.images[v])
		}
	}
	for _, s := range shared(old.scripts, new.scripts) {
		if old.gaps.has("parameters") || new.gaps.has("parameters") {
			note(Script, "scenario_sha256", s+" scenario_sha256", old.scripts[s].first(), new.scripts[s].first())
			continue
		}
		note(Script, "scenario_sha256", s+" scenario_sha256 and parameters", old.scripts[s], new.scripts[s])
	}
	for _, k := range old.keys() {
		g, other := old.groups[k], new.groups[k]
		if other == nil || lab.OriginalOf(k.Variant) != k.Variant {
			continue
		}
		for i, column := range loads {
			if isGivenLoad(i, k, g, other) {
				note(Load, column, k.String()+" "+column, &g.loads[i], &other.loads[i])
			}
		}
	}
	return append(all, referenceDifference(old, new)...)
}

// isGivenLoad reports whether a load of both groups of a key was given to them, and
// not found by their trials: as the rates of a search, or a share of the peak in the
// same trial, which is not the same in all of a run.
func isGivenLoad(load int, k Key, a, b *group) bool {
	found := func(g *group) bool { return len(g.loads[load].values) > 1 }
	return loads[load] != "offered_rps" || lab.PhaseKindOf(k.Phase) != lab.Capacity && !found(a) && !found(b)
}

// referenceDifference is what reference servers say against comparing two runs. That they say
// nothing, where both runs started them, is no leave to go on.
func referenceDifference(old, new *Run) []Difference {
	keys, d := sharedReferences(old, new), referenceLogRatio(old, new)
	switch {
	case d != nil && math.Abs(*d) > -math.Log1p(-MaxReferenceDifference):
		return []Difference{{
			Kind: Reference,
			What: fmt.Sprintf("reference servers differ by %+.1f%%, where %.0f%% are allowed", percent(*d),
				100*MaxReferenceDifference),
		}}
	case d == nil && len(keys) > 0 && !sameRun(old, new):
		return []Difference{{
			Kind: Reference, What: noReferenceFigure + ", valid", Old: old.usableTrials(keys, new),
			New: new.usableTrials(keys, old),
		}}
	}
	return nil
}

// noReferenceFigure says that reference servers cannot vouch for a machine.
const noReferenceFigure = "no reference server has a valid trial in both runs"

// shared are the names that both have, sorted.
func shared(a, b map[string]*distinctValues) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(name string) bool { return b[name] == nil })
}

// ParseKinds reads the names of kinds to ignore.
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
			return nil, &lab.Fault{
				Code: lab.ExitUsage,
				Err:  fmt.Errorf("ignoring %q: unknown; %s", name, lab.Suggest(name, valid)), Hint: hint,
			}
		}
		kinds = append(kinds, DifferenceKind(name))
	}
	return kinds, nil
}

// maxListed is how many differences of one kind a refusal lists.
const maxListed = 6

// CheckComparable refuses to compare an old run with new ones from which it differs in what
// is not ignored: one fault that lists all of it.
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
	about := aboutHosts(old, news, kinds)
	for _, k := range ignore {
		if !slices.Contains(kinds, string(k)) {
			kinds = append(kinds, string(k))
		}
	}
	return &lab.Fault{
		Code: lab.ExitUsage, Err: fmt.Errorf("these runs are not of the same thing:\n  %s",
			strings.Join(lines, "\n  ")),
		Hint: "to compare them all the same, and have the report say so: --ignore " + strings.Join(kinds,
			",") + about,
	}
}
