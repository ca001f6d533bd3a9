package lab

import "time"

// CrossCheck compares what the run's generator and another one, which shares no part with it, measured
// of the same reference server by turns.
type CrossCheck struct {
	By       string        `json:"by"` // the other generator: PlainVegeta
	Quantity CrossQuantity `json:"quantity"`
	// ServiceMS is the server's nominal service time; of a ratio, that of the server with less work.
	ServiceMS float64 `json:"service_ms"`
	Rounds    int     `json:"rounds"`
	// Measured is by the run's generator and Other by the other one: geometric means over the rounds, in
	// milliseconds or requests per second.
	Measured float64 `json:"measured"`
	Other    float64 `json:"other"`
	// Difference is that of Measured from Other, as a share of Other.
	Difference Deviation `json:"difference"`
	Limit      float64   `json:"limit"` // the largest share that is allowed
	Passed     bool      `json:"passed"`
}

// PlainVegeta is the other generator of cross-checks: Vegeta's Attacker on net/http's transport.
const PlainVegeta = "net/http"

// CrossQuantity is what a CrossCheck compares.
type CrossQuantity string

const (
	LatencyCheck    CrossQuantity = "latency"    // median from the actual send, in a closed loop
	ThroughputCheck CrossQuantity = "throughput" // of a closed loop
	RatioCheckBy    CrossQuantity = "ratio"      // of the throughput of two servers, which is 1.10
)

// CrossReading is what the other generator of a CrossCheck measured in one attack.
type CrossReading struct {
	Succeeded  int64  `json:"succeeded"`
	Failed     int64  `json:"failed"`
	FirstError string `json:"first_error,omitempty"`
	// ThroughputRPS is successes over the time from the first send to the last answer.
	ThroughputRPS float64       `json:"throughput_rps"`
	MedianLatency time.Duration `json:"median_ns"` // of successes, exactly
}
