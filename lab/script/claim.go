package script

import (
	"cmp"
	"regexp"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// claimsFile is the script whose claims come first in reports. It may be missing, and
// every other script of a scenario may define claims too.
const claimsFile = scenariosDir + "/claims" + extension

// claimDefinition is a call of claim() or untestable(). One of its values is set.
type claimDefinition struct {
	Claim lab.Claim
	Topic lab.UntestableTopic
	At    lab.Place
}

func (d claimDefinition) id() string { return cmp.Or(d.Claim.ID, d.Topic.Topic) }

// function returns the name of the function that was called.
func (d claimDefinition) function() string {
	if d.Claim.ID != "" {
		return "claim"
	}
	return "untestable"
}

// claimReference is the claim of a hypothesis or a promise. It is checked after all scripts
// are evaluated, because any of them may define it.
type claimReference struct {
	ID       string
	Function string // that was called with it
	At       lab.Place
}

func (s *scenarioScript) defineClaimFunctions() {
	s.define(function{
		name: "claim", positional: []string{"id", "statement"}, required: []string{"id", "statement"},
		optional: []string{"lacks"},
		make:     s.makeClaim,
	})
	s.define(function{
		name: "collection", positional: []string{"name"}, required: []string{"name"},
		make: s.makeCollection,
	})
	s.define(function{
		name: "untestable", positional: []string{"topic", "reason"}, required: []string{"topic", "reason"},
		make: s.makeUntestable,
	})
}

func (s *scenarioScript) makeClaim(c *call) starlark.Value {
	made := lab.Claim{ID: s.readClaimID(c, "id"), Statement: c.stringLine("statement")}
	if c.has("lacks") {
		made.Lacks = c.stringLine("lacks")
	}
	if made.ID != "" {
		s.claims = append(s.claims, claimDefinition{Claim: made, At: scriptPlace(c.at)})
	}
	return starlark.None
}

func (s *scenarioScript) makeUntestable(c *call) starlark.Value {
	made := lab.UntestableTopic{Topic: s.readClaimID(c, "topic"), Reason: c.stringLine("reason")}
	if made.Topic != "" {
		s.claims = append(s.claims, claimDefinition{Topic: made, At: scriptPlace(c.at)})
	}
	return starlark.None
}

// ownCollection is the collection of the claims of a file that names none.
const ownCollection = "your own"

// makeCollection names the collection of all claims of the file.
func (s *scenarioScript) makeCollection(c *call) starlark.Value {
	if s.collection != "" {
		c.fault(c.at, "called twice; the claims of a file are of one collection, %q", s.collection)
	} else {
		s.collection = c.stringLine("name")
	}
	return starlark.None
}

// collectedClaims returns the claims and topics of the file with their collection.
func (s *scenarioScript) collectedClaims() []claimDefinition {
	collection := cmp.Or(s.collection, ownCollection)
	for i := range s.claims {
		d := &s.claims[i]
		if d.Claim.ID != "" {
			d.Claim.Collection = collection
		} else {
			d.Topic.Collection = collection
		}
	}
	return s.claims
}

// readClaimID reads the id that a call defines. It returns "" after a mistake in it, and
// marks the script's claims as incomplete.
func (s *scenarioScript) readClaimID(c *call, argument string) string {
	before := s.faultCount
	id := c.lineMatching(argument, namePattern)
	if _, valid := c.validArgument(argument); !valid || s.faultCount > before {
		s.claimsIncomplete = true
		return ""
	}
	return id
}

// readClaim reads the claim of a hypothesis or a promise, which checkClaims checks later.
func (s *scenarioScript) readClaim(c *call) string {
	before := s.faultCount
	id := c.stringLine("claim")
	if id != "" && s.faultCount == before {
		s.references = append(s.references, claimReference{
			ID: id, Function: c.function.name, At: scriptPlace(c.args["claim"].at),
		})
	}
	return id
}

func scriptPlace(p syntax.Position) lab.Place {
	return lab.Place{Line: int(p.Line), Column: int(p.Col)}
}

var claimCall = regexp.MustCompile(`\bclaim\s*\(`)

// callsClaim reports whether a script that was not evaluated to its end may define a
// claim. A script that calls claim() under another name is not recognised.
func callsClaim(source []byte) bool { return claimCall.Match(source) }

// checkClaims adds to the faults of each file the claims that it defines again, and the
// claims of its hypotheses and promises that no script defines.
func checkClaims(files []scriptFile, results []fileResult) {
	order := claimsOrder(files)
	first := map[string]string{} // the place that defines each claim or topic
	var ids []string             // of claims
	complete := true
	for _, i := range order {
		complete = complete && !results[i].ClaimsIncomplete
		for _, d := range results[i].Claims {
			place, twice := first[d.id()]
			if twice {
				results[i].addFault(files[i], d.At, d.function(), "%q is already defined in %s", d.id(), place)
				continue
			}
			first[d.id()] = d.At.In(files[i].DisplayName)
			if d.Claim.ID != "" {
				ids = append(ids, d.Claim.ID)
			}
		}
	}
	if !complete {
		return // the claims may be defined where a mistake hides them
	}
	slices.Sort(ids)
	for _, i := range order {
		for _, r := range results[i].References {
			if !slices.Contains(ids, r.ID) {
				results[i].addFault(files[i], r.At, r.Function, "unknown claim %q; %s", r.ID,
					message.Suggest(r.ID, ids))
			}
		}
	}
}

// claimsOrder returns the indices of the scripts of scenarios, claimsFile first.
func claimsOrder(files []scriptFile) (order []int) {
	for i, f := range files {
		switch {
		case f.DisplayName == claimsFile:
			order = slices.Insert(order, 0, i)
		case f.Kind == scenarioKind:
			order = append(order, i)
		}
	}
	return order
}

// addClaims adds the claims and topics of a file without faults.
func (l *Library) addClaims(o fileResult) {
	if len(o.Faults) > 0 {
		return
	}
	for _, d := range o.Claims {
		if d.Claim.ID != "" {
			l.Claims = append(l.Claims, d.Claim)
		} else {
			l.UntestableTopics = append(l.UntestableTopics, d.Topic)
		}
	}
}
