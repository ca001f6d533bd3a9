package script

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

// workloadIndex is what scripts need to know of the workloads.
type workloadIndex struct {
	Names []string                    // also of those with a mistake
	Paths map[string]string           // the workload of each path, in which {room} stands for any room
	Needs map[string][]string         // services, by workload
	Work  map[string]lab.DatabaseWork // by path
	// Incomplete says that a mistake hides the paths of a workload.
	Incomplete bool
}

func newWorkloadIndex(set *workload.Set) workloadIndex {
	index := workloadIndex{
		Names: slices.Clone(set.Broken), Paths: map[string]string{}, Needs: map[string][]string{},
		Work:       map[string]lab.DatabaseWork{},
		Incomplete: len(set.Broken) > 0,
	}
	for _, w := range set.All() {
		index.Names = append(index.Names, w.Name)
		index.Needs[w.Name] = w.Needs()
		for _, path := range w.Paths() {
			index.Paths[path] = w.Name
			index.Work[path] = w.DatabaseWork(path)
		}
	}
	slices.Sort(index.Names)
	return index
}

// nameOf returns the name of the workload that a path belongs to, or "".
func (w workloadIndex) nameOf(path string) string {
	if name, known := w.Paths[path]; known {
		return name
	}
	for pattern, name := range w.Paths {
		if workload.MatchesPath(pattern, path) {
			return name
		}
	}
	return ""
}

// readOffers reads the workloads that a runtime or a variant offers. It returns nil without the
// argument.
func (w workloadIndex) readOffers(c *call) []string {
	if !c.has("offers") {
		return nil
	}
	return c.distinctStrings("offers", "workloads", func(name string) string {
		if slices.Contains(w.Names, name) {
			return ""
		}
		return "which is not a workload; " + message.Suggest(name, w.Names)
	})
}

// requireOffers reports an application that keeps the contract and offers nothing. It would be asked
// any path and checked against no workload, as only a server with an API of its own is.
func (r *runtimeScript) requireOffers(w workloadIndex) {
	valid := slices.DeleteFunc(slices.Clone(w.Names),
		func(name string) bool { return name == workload.Application })
	if r.ownImage || r.offered || len(valid) == 0 {
		return
	}
	i := slices.IndexFunc(r.calls, func(c *call) bool { return !c.has("offers") && !c.misspelt("offers") })
	if i < 0 {
		return
	}
	r.fault(r.declared, "runtime", `missing argument "offers", which variant %q lacks too: name the workloads `+
		"that its application answers (%s), or leave out base if it has an API of its own",
		r.runtime.Variants[i].Name, strings.Join(valid, ", "))
}

// askedWorkload is a workload that a scenario asks, and the first of its paths there.
type askedWorkload struct{ name, path string }

// askedBy returns the workloads of requests, each once.
func (w workloadIndex) askedBy(requests []lab.Request) (asked []askedWorkload) {
	for _, r := range requests {
		name := w.nameOf(r.PathOnly())
		known := slices.ContainsFunc(asked, func(a askedWorkload) bool { return a.name == name })
		if name != "" && !known {
			asked = append(asked, askedWorkload{name, r.PathOnly()})
		}
	}
	return asked
}

// setWork says in each request what a successful answer takes of the database. Where the script expects
// an error, nothing is known of it.
func (w workloadIndex) setWork(requests []lab.Request) {
	for i, r := range requests {
		if r.Expect == 0 || r.Accepts(http.StatusOK) {
			requests[i].DatabaseWork = w.Work[r.PathOnly()]
		}
	}
}

// offersSomething reports whether a variant offers a workload. Otherwise it has an API of its own.
func (p variantPool) offersSomething(id string) bool { return len(p.offers[lab.OriginalOf(id)]) > 0 }

// notOffered returns the first of the workloads that a variant does not offer, if there is one.
func (p variantPool) notOffered(id string, asked []askedWorkload) (askedWorkload, bool) {
	for _, a := range asked {
		offers := slices.Contains(p.offers[lab.OriginalOf(id)], a.name) || a.name == workload.Application
		if p.offersSomething(id) && !offers {
			return a, true
		}
	}
	return askedWorkload{}, false
}

// offeredBy says for a message which variants offer a workload.
func (p variantPool) offeredBy(name string) string {
	var ids []string
	for _, id := range p.ids {
		if slices.Contains(p.offers[id], name) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "no variant offers it"
	}
	return "it is offered by " + strings.Join(ShortenVariants(ids, p.ids), ", ")
}

// ShortenVariants returns ids, with "node/*" in the place of those of a runtime if these are all that
// it has among all.
func ShortenVariants(ids, all []string) (short []string) {
	count := func(ids []string, runtime string) (n int) {
		for _, id := range ids {
			if name, _, _ := strings.Cut(id, "/"); name == runtime {
				n++
			}
		}
		return n
	}
	for _, id := range ids {
		runtime, _, _ := strings.Cut(id, "/")
		if n := count(all, runtime); n > 1 && count(ids, runtime) == n {
			id = runtime + "/*"
		}
		if !slices.Contains(short, id) {
			short = append(short, id)
		}
	}
	return short
}

// selectOffering sets the scenario's variants to those of the chosen ones that offer what it asks. It
// reports those that do not offer it and that the script names, the paths that no workload has,
// and a service that is missing. Variants with an API of their own can be asked anything.
func (s *scenarioScript) selectOffering(c *call, chosen chosenVariants) {
	index := s.variants.workloads
	index.setWork(s.scenario.Requests)
	for _, p := range s.scenario.Phases {
		index.setWork(p.Requests)
	}
	requests := s.scenario.AllRequests()
	asked := index.askedBy(requests)
	before, offering := s.faultCount, false
	for _, v := range chosen {
		offering = offering || s.variants.offersSomething(v.id)
		switch a, missing := s.variants.notOffered(v.id, asked); {
		case !missing:
			s.scenario.Variants = append(s.scenario.Variants, v.id)
		case v.named.IsValid():
			c.fault(v.named, "variant %q does not offer %s, the workload of %s; %s", v.id, a.name, a.path,
				s.variants.offeredBy(a.name))
		default:
			s.scenario.LeftOut = append(s.scenario.LeftOut, lab.LeftOutVariant{Variant: v.id, Workload: a.name})
		}
	}
	if len(s.scenario.Variants) == 0 && len(s.scenario.LeftOut) > 0 && s.faultCount == before {
		c.fault(c.at, "no variant is left: the scenario leaves out %s", s.scenario.LeftOut[0])
	}
	if !offering {
		return
	}
	for _, r := range requests {
		// The application answers every other path with this status.
		if index.nameOf(r.PathOnly()) != "" || index.Incomplete || r.Accepts(http.StatusNotFound) {
			continue
		}
		s.fault(syntax.MakePosition(&s.displayName, int32(r.At.Line), int32(r.At.Column)),
			strings.ToLower(r.Method), "no workload has the path %q; %s", r.PathOnly(),
			message.Suggest(r.PathOnly(), slices.Sorted(maps.Keys(index.Paths))))
	}
	for _, a := range asked {
		for _, need := range index.Needs[a.name] {
			if !slices.Contains(s.scenario.Services, need) {
				all := append(slices.Clone(s.scenario.Services), need)
				c.fault(c.at, `%s needs the service %s; write services = ["%s"]`, a.path, need,
					strings.Join(all, `", "`))
			}
		}
	}
}

// addWorkloads adds the files of the workloads and their mistakes.
func (l *Library) addWorkloads(mistakes []workload.Mistake) {
	for _, w := range l.Workloads.All() {
		l.Files = append(l.Files, w.File)
	}
	for _, m := range mistakes {
		if !slices.Contains(l.Files, m.File) {
			l.Files = append(l.Files, m.File)
		}
		l.Faults = append(l.Faults, Fault{File: m.File, Line: m.Line, Column: m.Column, Text: m.Text})
	}
}
