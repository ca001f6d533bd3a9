package lab

import "time"

// Calibration is what one machine's instrument can do, measured on it: where
// the generator's own ceiling lies, how late it sends, how much a quiet CPU
// varies, and how well known things are read. The gates judge by it.
type Calibration struct {
	Key        CalibrationKey `json:"key"`
	MeasuredAt time.Time      `json:"measured_at"`
	Brief      bool           `json:"brief,omitempty"` // canaries and ceiling only, as a smoke run needs them

	CeilingRPS float64 `json:"ceiling_rps"` // the generator's peak against a null server
	// CPU time that goes to nobody each time a server's CPU falls asleep and wakes
	SleepCost       time.Duration     `json:"sleep_cost_ns"`
	CanaryBaselines []CanaryBaseline  `json:"canaries"` // by CPU
	SendLags        []SendLagBaseline `json:"lags"`     // by offered rate, ascending
	// coefficient of variation of the peak between trials of one reference server
	TrialCV           float64            `json:"trial_cv"`
	ServiceTimeChecks []ServiceTimeCheck `json:"readings"` // by service time, ascending
	KnownRatio        RatioCheck         `json:"ratio"`
	Doubts            []string           `json:"doubts,omitempty"`

	SeparateIRQTime bool `json:"interrupts_apart"` // the kernel charges interrupts to no thread
}

// CalibrationKey is what a calibration is true of: it says nothing about
// another machine, kernel or agent.
type CalibrationKey struct {
	Host        string `json:"host_id"`   // of the machine, with its kernel
	CPUModel    string `json:"cpu_model"` // for people: machines of one model need not be alike
	Kernel      string `json:"kernel"`
	AgentSHA256 string `json:"agent_sha256"`
	Layout      string `json:"layout"` // "0|1": CPUs of generator and server
}

// CanaryBaseline is how long the canary takes on one CPU when nothing disturbs it.
type CanaryBaseline struct {
	CPU    int           `json:"cpu"`
	N      int           `json:"n"`
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// SendLagBaseline is how late the generator sends at a rate that the null server
// never limits.
type SendLagBaseline struct {
	RateRPS        float64 `json:"rate_rps"`
	SentRatio      float64 `json:"sent_ratio"`
	LagP99MS       float64 `json:"lag_p99_ms"`
	CorrectedP50MS float64 `json:"corrected_p50_ms"`
}

// ServiceTimeCheck is a reference server's median service time by its own monotonic
// clock and as the generator read it.
type ServiceTimeCheck struct {
	ServerP50MS   float64 `json:"own_p50_ms"`
	MeasuredP50MS float64 `json:"read_p50_ms"`
}

// RatioCheck is the ratio of CPU work between two reference servers and the
// ratio of their throughput as it was read, the median over N pairs of trials.
type RatioCheck struct {
	N        int     `json:"n"`
	Expected float64 `json:"true"`
	Measured float64 `json:"read"`
}
