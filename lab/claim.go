package lab

// Claim is a statement about runtimes that people repeat and the lab tests. Its
// id is stable: scripts, verdicts and reports know it by that.
type Claim struct {
	ID        string `json:"id"`   // "speed-1"
	Statement string `json:"says"` // in a sentence

	MissingFeature string `json:"missing,omitempty"` // what the lab lacks to test it; empty where a scenario can
}

// UntestableTopic is a kind of claim that no load can test, and why.
type UntestableTopic struct {
	Kind   string // "community"
	Reason string
}

// UntestableTopics are what people also say of runtimes.
func UntestableTopics() []UntestableTopic {
	return []UntestableTopic{
		{"community", "how many people help, and how well, is no property of a running server"},
		{"extensibility", "what can be added to a runtime shows in its interfaces, not under load"},
		{"libraries", "how many there are, and how good, is counted in registries, not in requests"},
		{"popularity", "who uses what is a question for a survey"},
	}
}

// Claims are all claims that load can test, in the order of reports.
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
			MissingFeature: "it takes replicas behind a load balancer, which the lab does not start yet",
		},
		{ID: "scale-3", Statement: "Node sustains high load."},
		{ID: "scale-4", Statement: "Python scales worse because it lacks threads."},
		{
			ID: "use-1", Statement: "Node suits real-time applications such as chat.",
			MissingFeature: "it takes messages sent to many subscribers, over server-sent events or WebSocket, " +
				"which the applications do not offer yet",
		},
		{
			ID: "use-2", Statement: "Node suits data streaming.",
			MissingFeature: "no scenario has a hypothesis about it yet; the scenario stream shows its figures",
		},
		{
			ID: "use-3", Statement: "Python suits machine-learning back ends.",
			MissingFeature: "it takes the same numeric inference in both runtimes, which the applications do not " +
				"offer yet",
		},
		{
			ID: "use-4", Statement: "Python is for applications without real-time updates.",
			MissingFeature: "it takes what use-1 takes, beside a real-time SLO",
		},
	}
}

// ClaimIDs are the ids of Claims.
func ClaimIDs() []string {
	var ids []string
	for _, c := range Claims() {
		ids = append(ids, c.ID)
	}
	return ids
}
