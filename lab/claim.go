package lab

// Claim is a statement about runtimes that people repeat and the lab tests. Its
// id is stable: scripts, verdicts and reports know it by that.
type Claim struct {
	ID   string `json:"id"`   // "speed-1"
	Says string `json:"says"` // in a sentence
}

// Claims are all claims that load can test, in the order of reports.
func Claims() []Claim {
	return []Claim{
		{"arch-1", "One Node process with an event loop serves many clients at once."},
		{"arch-2", "Node can run work in parallel on threads."},
		{"arch-3", "Python's bytecode interpreter makes it slower at the same work."},
		{"arch-4", "Python has no native multithreading."},
		{"speed-1", "Node serves the same application faster."},
		{"speed-2", "Running several processes makes Node faster."},
		{"speed-3", "Frequent callbacks are a bottleneck for Python."},
		{"scale-1", "Node scales vertically."},
		{"scale-2", "Node scales horizontally."},
		{"scale-3", "Node sustains high load."},
		{"scale-4", "Python scales worse because it lacks threads."},
		{"use-1", "Node suits real-time applications such as chat."},
		{"use-2", "Node suits data streaming."},
		{"use-3", "Python suits machine-learning back ends."},
		{"use-4", "Python is for applications without real-time updates."},
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
