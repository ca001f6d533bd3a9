package lab

// Claim is a common statement about runtimes that the lab tests. Its id is
// stable: scripts, verdicts and reports refer to it.
type Claim struct {
	ID        string `json:"id"`   // "speed-1"
	Statement string `json:"says"` // one sentence

	// MissingFeature says what the lab lacks to test the claim; empty if a scenario can test it.
	MissingFeature string `json:"missing,omitempty"`
}

// UntestableTopic is a topic of claims that no load test can decide, with the
// reason.
type UntestableTopic struct {
	Kind   string // "community"
	Reason string
}

// UntestableTopics returns the topics of claims about runtimes that no load test
// can decide.
func UntestableTopics() []UntestableTopic {
	return []UntestableTopic{
		{"community", "the help that people give is not a property of a running server"},
		{"extensibility", "what can be added to a runtime depends on its interfaces, not on load"},
		{"libraries", "registries show how many there are and how good they are; requests do not"},
		{"popularity", "only a survey shows who uses what"},
	}
}

// Claims returns all claims that load can test, in the order of reports.
func Claims() []Claim {
	return []Claim{
		{ID: "arch-1", Statement: "One Node process with an event loop serves many clients at once."},
		{ID: "arch-2", Statement: "Node can run work in parallel on threads."},
		{ID: "arch-3", Statement: "Python's bytecode interpreter makes it slower at the same work."},
		{ID: "arch-4", Statement: "Python has no native multithreading."},
		{ID: "speed-1", Statement: "Node serves the same application faster."},
		{ID: "speed-2", Statement: "Running several processes makes Node faster."},
		{ID: "speed-3", Statement: "Frequent callbacks are a bottleneck for Python."},
		{ID: "scale-1", Statement: "Node scales vertically."},
		{
			ID: "scale-2", Statement: "Node scales horizontally.",
			MissingFeature: "needs replicas behind a load balancer, which the lab cannot start yet",
		},
		{ID: "scale-3", Statement: "Node sustains high load."},
		{ID: "scale-4", Statement: "Python scales worse because it lacks threads."},
		{
			ID: "use-1", Statement: "Node suits real-time applications such as chat.",
			MissingFeature: "needs messages sent to many subscribers, over server-sent events or WebSocket, " +
				"which the applications do not offer yet",
		},
		{
			ID: "use-2", Statement: "Node suits data streaming.",
			MissingFeature: "no scenario has a hypothesis about it yet; the scenario stream shows its figures",
		},
		{
			ID: "use-3", Statement: "Python suits machine-learning back ends.",
			MissingFeature: "needs the same numeric inference in both runtimes, which the applications do not " +
				"offer yet",
		},
		{
			ID: "use-4", Statement: "Python is for applications without real-time updates.",
			MissingFeature: "needs what use-1 needs, and a real-time SLO",
		},
	}
}

// ClaimIDs returns the ids of Claims.
func ClaimIDs() []string {
	var ids []string
	for _, c := range Claims() {
		ids = append(ids, c.ID)
	}
	return ids
}
