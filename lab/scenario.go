package lab

// Scenario is a workload and how load is offered to it: one file under
// scenarios/.
type Scenario struct {
	Name     string    `json:"name"`     // "json"
	About    string    `json:"about"`    // one line for people
	File     string    `json:"file"`     // path of the script, as shown in messages
	SHA256   string    `json:"sha256"`   // of the script's bytes, in hexadecimal
	Requests []Request `json:"requests"` // sent in turn, over and over
	Variants []string  `json:"variants"` // variant ids the scenario runs on, in order, resolved: "node/single"
	Phases   []Phase   `json:"phases"`   // in order: at most one warm-up, which comes first

	Parameters map[string]string `json:"parameters,omitempty"` // by name, the values that the script was evaluated with
}

// Request is one HTTP request of a scenario or of the contract.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"` // path and query: "/json"
	Header map[string]string `json:"headers,omitempty"`
	Body   []byte            `json:"body,omitempty"`
}

// Answer is what a server answered to a Request.
type Answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"headers"` // lower-case names; values of a repeated header joined by ", "
	Body   []byte            `json:"body"`
	Error  string            `json:"error,omitempty"` // set when no answer came
}

// PhaseKind is what a phase is for.
type PhaseKind string

const (
	WarmUp PhaseKind = "warmup" // closed loop, discarded, until throughput is steady
	Peak   PhaseKind = "peak"   // closed loop: the highest throughput
	Steady PhaseKind = "steady" // open loop at a fixed rate: latency
)

// Arrivals is how an open loop spaces its requests.
type Arrivals string

const (
	Poisson  Arrivals = "poisson"  // exponential gaps, seeded: independent clients
	Constant Arrivals = "constant" // equal gaps
)

// Phase is one stretch of load. How long it lasts is the profile's to say.
type Phase struct {
	Kind        PhaseKind `json:"kind"`
	Connections int       `json:"connections"`         // closed loop: how many; open loop: at most this many
	RateRPS     float64   `json:"rate_rps,omitempty"`  // steady only: requests offered per second
	Arrivals    Arrivals  `json:"arrivals,omitempty"`  // steady only
	TimeoutS    float64   `json:"timeout_s,omitempty"` // of one request
	PerRequest  bool      `json:"connection_per_request,omitempty"`
}
