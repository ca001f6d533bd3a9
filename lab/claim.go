package lab

import "slices"

// Claim is a statement about servers that hypotheses test. Scripts define claims; a
// plan holds those that its run had.
type Claim struct {
	ID        string `json:"id"`             // "speed-1": scripts, verdicts and reports refer to it
	Statement string `json:"says,omitempty"` // one sentence; empty if the run recorded only the id

	// Lacks says what the lab lacks to test the claim; empty if a scenario can test it.
	Lacks string `json:"lacks,omitempty"`
	// Collection says whose claim it is, as headings show it: "the article". Empty: the run is of a lab
	// that did not record it.
	Collection string `json:"collection,omitempty"`
}

// UntestableTopic is a topic of claims that no load test can decide, with the
// reason.
type UntestableTopic struct {
	Topic  string `json:"topic"` // "community"
	Reason string `json:"reason"`

	Collection string `json:"collection,omitempty"` // as of a Claim
}

// ClaimGroup holds the claims of one collection, for one heading.
type ClaimGroup struct {
	Collection string // empty if all claims are of the same collection, so that none needs a name
	Claims     []Claim
}

// GroupClaims returns claims by collection, in the order of each collection's first claim.
func GroupClaims(claims []Claim) (groups []ClaimGroup) {
	for _, c := range claims {
		i := slices.IndexFunc(groups, func(g ClaimGroup) bool { return g.Collection == c.Collection })
		if i < 0 {
			i = len(groups)
			groups = append(groups, ClaimGroup{Collection: c.Collection})
		}
		groups[i].Claims = append(groups[i].Claims, c)
	}
	if len(groups) == 1 {
		groups[0].Collection = ""
	}
	return groups
}

// Heading returns a heading for the group: "Claims", or "Claims of the article".
func (g ClaimGroup) Heading(noun string) string {
	if g.Collection == "" {
		return noun
	}
	return noun + " of " + g.Collection
}

// Has reports whether the group has the claim of an id.
func (g ClaimGroup) Has(id string) bool {
	return slices.ContainsFunc(g.Claims, func(c Claim) bool { return c.ID == id })
}
