package workload

import (
	"slices"
	"strings"

	"runtimelab/lab"
)

// Application is the name of the workload that every application has, whatever else it
// offers. It says which headers all answers have and what a server says of itself.
const Application = "application"

// anyOtherPath is the path of an endpoint that stands for all paths that no endpoint has.
const anyOtherPath = "*"

// Workload is the content of one folder of scenarios/workloads.
type Workload struct {
	Name    string // the folder's name: "orders"
	File    string // of its workload.json, relative to the checkout
	doc     document
	vectors []Vector
}

// Set holds the workloads of a checkout: Application first, the others by name.
type Set struct {
	all []*Workload
	// Broken lists the workloads that have a mistake. They are not in All.
	Broken []string
}

// All returns the workloads without a mistake.
func (s *Set) All() []*Workload { return slices.Clone(s.all) }

// ByName returns the workload of a name, or nil.
func (s *Set) ByName(name string) *Workload {
	for _, w := range s.all {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// Identity returns what every server must say of itself. It is empty without Application.
func (s *Set) Identity() IdentityRule {
	if w := s.ByName(Application); w != nil && w.doc.Identity != nil {
		return *w.doc.Identity
	}
	return IdentityRule{}
}

// OptionalHeaders returns the names of the headers that an answer may have although no vector names
// them. Answers that differ only in these are alike.
func (s *Set) OptionalHeaders() []string { return s.headers().optionalNames() }

// headers returns the rule for the headers of all answers. It is empty without Application.
func (s *Set) headers() headerRule {
	if w := s.ByName(Application); w != nil && w.doc.Headers != nil {
		return *w.doc.Headers
	}
	return headerRule{}
}

// OfferedBy returns the workloads that a variant is asked: Application and those that it
// offers. A variant that offers nothing is asked nothing, and a server in an image of the user's own
// need not know Application.
func (s *Set) OfferedBy(v lab.Variant) (asked []*Workload) {
	if len(v.Offers) == 0 {
		return nil
	}
	for _, w := range s.all {
		if w.Name == Application && v.Own == nil || slices.Contains(v.Offers, w.Name) {
			asked = append(asked, w)
		}
	}
	return asked
}

// Succeeding returns one request for each path and method that a workload answers with 2xx, in the
// order of the files: the first one without a query if there is any, and otherwise the first one.
func (s *Set) Succeeding() (all []lab.Request) {
	for _, w := range s.all {
		all = append(all, w.succeeding()...)
	}
	return all
}

func (w *Workload) succeeding() []lab.Request {
	var all []lab.Request
	for _, v := range w.vectors {
		if !v.Request.Accepts(v.Want.Status) {
			continue
		}
		path, _, hasQuery := strings.Cut(v.Request.Path, "?")
		i := slices.IndexFunc(all, func(r lab.Request) bool {
			return r.Method == v.Request.Method && r.PathOnly() == path
		})
		switch {
		case i < 0:
			all = append(all, v.Request)
		case !hasQuery && strings.Contains(all[i].Path, "?"):
			all[i] = v.Request
		}
	}
	return all
}

// About returns one line that describes the workload.
func (w *Workload) About() string { return w.doc.About }

// Needs returns the services that an application calls to answer: "upstream".
func (w *Workload) Needs() []string { return slices.Clone(w.doc.Needs) }

// May returns what an application is free to do, in words.
func (w *Workload) May() []string { return slices.Clone(w.doc.May) }

// MayNot returns what would make an application do other work than others, in words.
func (w *Workload) MayNot() []string { return slices.Clone(w.doc.MayNot) }

// Paths returns the paths of the workload's endpoints, in the order of the file.
func (w *Workload) Paths() (paths []string) {
	for _, e := range w.doc.Endpoints {
		if e.Path != anyOtherPath {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// DatabaseWork returns what a successful answer to a path of the workload takes of the database.
func (w *Workload) DatabaseWork(path string) lab.DatabaseWork {
	for _, e := range w.doc.Endpoints {
		if e.Path == path {
			return e.DatabaseWork
		}
	}
	return lab.DatabaseWork{}
}

// Vectors returns all vectors in the order of the file. Send them in that order: some check the
// effect of earlier ones.
func (w *Workload) Vectors() []Vector { return slices.Clone(w.vectors) }

// document is the JSON of a workload file. The check reads neither About, Rules, May nor MayNot:
// they are for people who write an application.
type document struct {
	Version int      `json:"version"`
	About   string   `json:"about"` // one line
	Rules   []string `json:"rules"`
	Needs   []string `json:"needs"`
	May     []string `json:"may"`
	MayNot  []string `json:"may_not"`
	// Headers are those of every answer, of whichever workload. Only Application has them.
	Headers   *headerRule   `json:"headers"`
	Endpoints []endpoint    `json:"endpoints"`
	Identity  *IdentityRule `json:"identity"` // only Application has it
	Inputs    *inputRule    `json:"inputs"`   // nil: it has no seeded inputs
	// Subscribers says how messages come to subscribers; nil: nothing is published.
	Subscribers *subscriptionRule `json:"subscribers"`
}

// headerRule says which headers answers have besides those that a vector names. Names are in lower
// case.
type headerRule struct {
	Always   []string         `json:"always"`
	Optional []optionalHeader `json:"optional"`
}

// optionalHeader is a header that an answer may have, with any value.
type optionalHeader struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // one line: which servers send it, and why they cannot leave it out
}

// optionalNames returns the names of the optional headers.
func (h headerRule) optionalNames() []string {
	names := make([]string, len(h.Optional))
	for i, o := range h.Optional {
		names[i] = o.Name
	}
	return names
}

// endpoint describes a path, or all paths that are not listed if Path is "*".
type endpoint struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods"`
	About   string   `json:"about"`
	lab.DatabaseWork
	Answers []answerDoc `json:"answers"`
	Vectors []vector    `json:"vectors"`
}

// answerDoc documents one answer of an endpoint. The check does not use it.
type answerDoc struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
	When        string `json:"when"`
}
