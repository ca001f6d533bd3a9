package lab

// Claim is a statement about servers that hypotheses test. Scripts define claims; a
// plan holds those that its run had.
type Claim struct {
	ID        string `json:"id"`             // "speed-1": scripts, verdicts and reports refer to it
	Statement string `json:"says,omitempty"` // one sentence; empty if the run recorded only the id

	// Lacks says what the lab lacks to test the claim; empty if a scenario can test it.
	Lacks string `json:"lacks,omitempty"`
}

// UntestableTopic is a topic of claims that no load test can decide, with the
// reason.
type UntestableTopic struct {
	Topic  string `json:"topic"` // "community"
	Reason string `json:"reason"`
}
