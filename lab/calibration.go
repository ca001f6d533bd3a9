package lab

import "time"

// Calibration describes the instrument on one machine: the generator's ceiling,
// its send lag, canary baselines and checks of known values. Gates compare
// samples with it.
type Calibration struct {
	Key        CalibrationKey `json:"key"`
	MeasuredAt time.Time      `json:"measured_at"`
	Brief      bool           `json:"brief,omitempty"` // canaries and ceiling only, as a smoke run needs them

	CeilingRPS float64 `json:"ceiling_rps"` // the generator's peak against a null server
	// CPUPerHit is the generator's CPU time for each hit of that peak, without idle polling. Where the
	// null server is the limit, it shows what the ceiling hides. Earlier labs did not record it.
	CPUPerHit time.Duration `json:"cpu_per_hit_ns,omitempty"`
	// SleepCost is the CPU time lost each time a server's CPU goes idle and wakes up. No thread is
	// charged for it.
	SleepCost       time.Duration     `json:"sleep_cost_ns"`
	CanaryBaselines []CanaryBaseline  `json:"canaries"` // one for each CPU
	SendLags        []SendLagBaseline `json:"lags"`     // of a generator that polls, by offered rate, ascending
	// WaitingSendLags are those of a generator that waits in the kernel. Earlier labs measured none.
	WaitingSendLags []SendLagBaseline `json:"waiting_lags,omitempty"`
	// TrialCV is the coefficient of variation of the peak between trials of one reference server.
	TrialCV           float64            `json:"trial_cv"`
	ServiceTimeChecks []ServiceTimeCheck `json:"readings"` // by service time, ascending
	KnownRatio        RatioCheck         `json:"ratio"`
	CrossChecks       []CrossCheck       `json:"cross_checks,omitempty"` // by another generator
	Doubts            []string           `json:"doubts,omitempty"`

	// SeparateIRQTime says that the kernel charges interrupts to no thread
	// (CONFIG_IRQ_TIME_ACCOUNTING).
	SeparateIRQTime bool `json:"interrupts_apart"`
}

// CalibrationKey identifies the machine, kernel, agent and layout that a
// calibration is valid for.
type CalibrationKey struct {
	Host        string `json:"host_id"`   // hash of the machine and its kernel
	CPUModel    string `json:"cpu_model"` // for people: two machines of one model may differ
	Kernel      string `json:"kernel"`
	AgentSHA256 string `json:"agent_sha256"`
	Layout      string `json:"layout"` // "0|1": CPUs of generator and server
	// Generator is what measured: its limits are not those of another one.
	Generator Generator `json:"generator"`
}

// CanaryBaseline holds the median and the 99th percentile of the canary's time
// on one undisturbed CPU.
type CanaryBaseline struct {
	CPU    int           `json:"cpu"`
	N      int           `json:"n"`
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
}

// SendLagBaseline reports how late the generator sends at one rate, against a
// null server that never limits it.
type SendLagBaseline struct {
	RateRPS        float64 `json:"rate_rps"`
	SentRatio      float64 `json:"sent_ratio"`
	LagP99MS       float64 `json:"lag_p99_ms"`
	CorrectedP50MS float64 `json:"corrected_p50_ms"`
}

// ServiceTimeCheck compares a reference server's median service time by its own
// monotonic clock with the generator's measurement.
type ServiceTimeCheck struct {
	ServerP50MS   float64 `json:"own_p50_ms"`
	MeasuredP50MS float64 `json:"read_p50_ms"`
}

// RatioCheck compares the measured ratio of throughput of two reference servers
// with the ratio of their CPU work. Measured is the median over N pairs of trials.
type RatioCheck struct {
	N        int     `json:"n"`
	Expected float64 `json:"true"`
	Measured float64 `json:"read"`
}
