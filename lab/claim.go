package lab

// Claim is a statement about runtimes that people repeat and the lab tests. Its
// id is stable: scripts, verdicts and reports know it by that.
type Claim struct {
	ID   string `json:"id"`   // "speed-1"
	Says string `json:"says"` // in a sentence

	Missing string `json:"missing,omitempty"` // what the lab lacks to test it; empty where a scenario can
}

// Untestable is a kind of claim that no load can test, and why.
type Untestable struct {
	Kind string // "community"
	Why  string
}

// Untestables are what people also say of runtimes.
func Untestables() []Untestable {
	return []Untestable{
		{"community", "how many people help, and how well, is no property of a running server"},
		{"extensibility", "what can be added to a runtime shows in its interfaces, not under load"},
		{"libraries", "how many there are, and how good, is counted in registries, not in requests"},
		{"popularity", "who uses what is a question for a survey"},
	}
}

// Claims are all claims that load can test, in the order of reports.
func Claims() []Claim {
	return []Claim{
		{ID: "arch-1", Says: "One Node process with an event loop serves many clients at once."},
		{ID: "arch-2", Says: "Node can run work in parallel on threads."},
		{ID: "arch-3", Says: "Python's bytecode interpreter makes it slower at the same work."},
		{ID: "arch-4", Says: "Python has no native multithreading."},
		{ID: "speed-1", Says: "Node serves the same application faster."},
		{ID: "speed-2", Says: "Running several processes makes Node faster."},
		{ID: "speed-3", Says: "Frequent callbacks are a bottleneck for Python."},
		{ID: "scale-1", Says: "Node scales vertically."},
		{ID: "scale-2", Says: "Node scales horizontally.",
			Missing: "it takes replicas behind a load balancer, which the lab does not start yet"},
		{ID: "scale-3", Says: "Node sustains high load."},
		{ID: "scale-4", Says: "Python scales worse because it lacks threads."},
		{ID: "use-1", Says: "Node suits real-time applications such as chat.",
			Missing: "it takes messages sent to many subscribers, over server-sent events or WebSocket, which the applications do not offer yet"},
		{ID: "use-2", Says: "Node suits data streaming.",
			Missing: "no scenario has a hypothesis about it yet; the scenario stream shows its figures"},
		{ID: "use-3", Says: "Python suits machine-learning back ends.",
			Missing: "it takes the same numeric inference in both runtimes, which the applications do not offer yet"},
		{ID: "use-4", Says: "Python is for applications without real-time updates.",
			Missing: "it takes what use-1 takes, beside a real-time SLO"},
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
