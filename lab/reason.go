package lab

// Reason says as data why a verdict is what it is, or what weakens it. Renderings choose the words:
// package wording has those of text, Markdown and CSV. The fields that a kind uses are at its name.
type Reason struct {
	Kind ReasonKind `json:"kind"`
	// Subject is what the reason is about: a metric, a profile, a runtime, a scenario.
	Subject string   `json:"subject,omitempty"`
	Names   []string `json:"names,omitempty"`
	// Text is what a script, a pilot or an earlier step said.
	Text string `json:"text,omitempty"`
	// Count is how many of Total the reason is about, and Needed how many are needed.
	Count  int `json:"count,omitempty"`
	Total  int `json:"total,omitempty"`
	Needed int `json:"needed,omitempty"`
	// Value is what was measured, and Limit what is allowed.
	Value float64 `json:"value,omitempty"`
	Limit float64 `json:"limit,omitempty"`
	Parts []Part  `json:"parts,omitempty"`
}

// Part is one of several things that a Reason is about.
type Part struct {
	Name   string  `json:"name,omitempty"`
	Metric string  `json:"metric,omitempty"`
	Lacks  Lack    `json:"lacks,omitempty"` // why a block has no value of it
	Count  int     `json:"count,omitempty"` // how often, or in how many blocks
	Block  int     `json:"block,omitempty"` // where Value was measured
	Value  float64 `json:"value,omitempty"`
	Limit  float64 `json:"limit,omitempty"`
}

// Lack says why an arm has no value in a block.
type Lack string

const (
	NoRatioOf    Lack = "no-ratio" // its value is Part.Value, which has no logarithm
	NoValue      Lack = "no-value"
	NoValidTrial Lack = "no-valid-trial"
	IsCensored   Lack = "censored"
	// MaybeInstrument says that its value Part.Value may be beyond Part.Limit because of the instrument.
	MaybeInstrument Lack = "maybe-instrument"
	SentLess        Lack = "sent-less" // only the share Part.Value of the schedule was sent
	TrialFailed     Lack = "trial-failed"
	// OtherGenerator says that its row is not by the generator of the arms before it.
	OtherGenerator Lack = "other-generator"
)

// ReasonKind names a reason.
type ReasonKind string

// Reasons why a hypothesis or a control was not judged, or not decided.
const (
	// ComparesNothing: the profile Subject has too few blocks.
	ComparesNothing ReasonKind = "compares-nothing"
	// TestedByLongerProfile: the profile Subject does not test it; Names[0] does.
	TestedByLongerProfile ReasonKind = "tested-by-longer-profile"
	NotInThisRun          ReasonKind = "not-in-this-run"
	NoHypotheses          ReasonKind = "no-hypotheses"
	NoHypothesisTested    ReasonKind = "no-hypothesis-tested"
	// UnknownMetric: Subject is a metric that this lab does not have.
	UnknownMetric ReasonKind = "unknown-metric"
	// PeersOnly: the runtime Subject is comparable with Names only, for the reason in Text.
	PeersOnly ReasonKind = "peers-only"
	// TooFewBlocks: Count of Total blocks are valid; the Parts lack values.
	TooFewBlocks ReasonKind = "too-few-blocks"
	// RequestsFailed: in Total blocks, more requests of the Parts failed than their Limit.
	RequestsFailed ReasonKind = "requests-failed"
	// FailuresForbidComparison: as RequestsFailed, so that the arms cannot be compared.
	FailuresForbidComparison ReasonKind = "failures-forbid-comparison"
	// FailuresForbidFavour: as RequestsFailed, so that no finding may favour the arm.
	FailuresForbidFavour ReasonKind = "failures-forbid-favour"
	BothArmsBounds       ReasonKind = "both-arms-bounds"
	BoundsLeaveOpen      ReasonKind = "bounds-leave-open"
	AtMarginEdge         ReasonKind = "at-margin-edge"
	// BlocksVary: more than Needed blocks would be needed.
	BlocksVary ReasonKind = "blocks-vary"
	// MoreBlocksNeeded: the interval crosses the margin's edge; Needed blocks would decide.
	MoreBlocksNeeded ReasonKind = "more-blocks-needed"
	// PermutationDisagrees: the finding Subject is that of the t-test only; the permutation of signs
	// has the p value Value. As a doubt of a run, it is about the hypothesis Names[0].
	PermutationDisagrees ReasonKind = "permutation-disagrees"
	// RunIncomplete: Count of Total trials of the run Subject were measured.
	RunIncomplete ReasonKind = "run-incomplete"
	// ControlFailed: the controls Names failed.
	ControlFailed ReasonKind = "control-failed"
	// CPUScope: the verdict is about Count to Total CPUs only.
	CPUScope ReasonKind = "cpu-scope"
)

// Reasons of verdicts on promises.
const (
	// PromiseMissed: Count of Total trials missed a limit. Each Part is a metric with its worst Value, the
	// Limit, and how many trials missed it.
	PromiseMissed ReasonKind = "promise-missed"
	// PromiseNotJudged: Count of Total trials do not tell whether the promise was kept, because of what
	// the Parts lack.
	PromiseNotJudged ReasonKind = "promise-not-judged"
	// NoPhaseKept: the variant Subject, with which the promise is compared, keeps it in none of the
	// phases Names.
	NoPhaseKept ReasonKind = "no-phase-kept"
	// HighestUndecided: the variant Subject may keep the promise beyond, because it is undecided in the
	// phase Names[0].
	HighestUndecided ReasonKind = "highest-undecided"
)

// Doubts: reasons that weaken figures and verdicts that stand.
const (
	NoControl ReasonKind = "no-control"
	// PilotDoubt: the peak of the variant Names[0] on the scenario Subject, for the reason in Text.
	PilotDoubt ReasonKind = "pilot-doubt"
	// PhasesFailed: in Count of Total phases more than the share Limit of requests failed, at worst
	// Value.
	PhasesFailed ReasonKind = "phases-failed"
	// MixedLatencies: Count of Total phases have latencies of failed requests too, as rows of the schema
	// version Value do.
	MixedLatencies ReasonKind = "mixed-latencies"
	// UnknownIdentity: the servers Names report no identity.
	UnknownIdentity ReasonKind = "unknown-identity"
	// UnequalBacklogs: each Part is a variant, its Value the backlog, which it may lack.
	UnequalBacklogs ReasonKind = "unequal-backlogs"
	// UnsteadyWarmUp: Count of Total trials began before throughput was steady.
	UnsteadyWarmUp ReasonKind = "unsteady-warm-up"
	// Drift: throughput changed by more than the share Limit in Count of Total closed phases.
	Drift ReasonKind = "drift"
	// UnevenProcesses: one process did more than Limit times its share in Count of Total phases.
	UnevenProcesses ReasonKind = "uneven-processes"
	// LongSlices: in Count of Total phases with a waiting generator its threads had a time slice of more
	// than Limit milliseconds, or an unknown one.
	LongSlices ReasonKind = "long-slices"
	// HaltingCPUs: in Count of Total phases with a waiting generator no idle loop kept its CPUs from
	// halting.
	HaltingCPUs ReasonKind = "halting-cpus"
	// SpeedChanged: the fastest canaries of two blocks, the Parts, took different milliseconds.
	SpeedChanged ReasonKind = "speed-changed"
	// CPUsStolen: the hypervisor took up to the share Value of the CPUs.
	CPUsStolen ReasonKind = "cpus-stolen"
	// UnreadableFile: the file Subject of the run cannot be read, for the reason in Text.
	UnreadableFile ReasonKind = "unreadable-file"
	// UnmatchedHistograms: Count histograms of the file Subject belong to no row, or to several.
	UnmatchedHistograms ReasonKind = "unmatched-histograms"
)

// Doubts about curves over numbers of CPUs, and reasons why no law is fitted to one.
const (
	// MoreWorkersThanCPUs: Count workers ran on Total CPUs, in the block of Parts[0].
	MoreWorkersThanCPUs ReasonKind = "more-workers-than-cpus"
	// QuotaStoppedServer: a CPU quota stopped the server in Count periods on Total CPUs, in the block of
	// Parts[0].
	QuotaStoppedServer ReasonKind = "quota-stopped-server"
	// FailuresOnCurve: the share Value of requests failed on Total CPUs, in the block of Parts[0]. The
	// curve is that of Subject, if it is another one.
	FailuresOnCurve ReasonKind = "failures-on-curve"
	// Superlinear: the interval of the efficiency on Total CPUs lies above 1, from Value.
	Superlinear ReasonKind = "superlinear"
	// FitNeedsCounts: the curve has Count numbers of CPUs, from Parts[0].Count to Parts[1].Count, and
	// a fit needs Needed.
	FitNeedsCounts ReasonKind = "fit-needs-counts"
	// FitNeedsExactCounts: Count numbers of CPUs have enough exact blocks, which are Needed.
	FitNeedsExactCounts ReasonKind = "fit-needs-exact-counts"
	// FitNeedsBlocks: Count blocks are valid on all numbers of CPUs, and a fit needs Needed.
	FitNeedsBlocks ReasonKind = "fit-needs-blocks"
	// FitFailed: for the reason in Text.
	FitFailed ReasonKind = "fit-failed"
	// FitWithoutInterval: a fit would have no interval, for the reason in Text.
	FitWithoutInterval ReasonKind = "fit-without-interval"
	// CountLeftOut: the fit leaves out Total CPUs, on which fewer than Needed blocks are exact.
	CountLeftOut ReasonKind = "count-left-out"
	// MaximumExtrapolated: the maximum of the fit lies beyond the Total CPUs that were measured.
	MaximumExtrapolated ReasonKind = "maximum-extrapolated"
)

// Notes and doubts about a comparison of two runs, OLD and NEW, which are named by their labels.
const (
	// DataIgnored: the reader of the run Subject ignored data, or doubts them, for the reason in Text.
	DataIgnored ReasonKind = "data-ignored"
	// MetricsNotCompared: the file of the run Subject lacks the columns Names.
	MetricsNotCompared ReasonKind = "metrics-not-compared"
	// RunNotDone: the run Subject is in the state Text.
	RunNotDone ReasonKind = "run-not-done"
	// ColumnMissing: the file of the run Subject lacks the column Names[0], which checks need.
	ColumnMissing ReasonKind = "column-missing"
	// ValuesMissing: the run Subject has no value of the column Names[0] in Count of Total rows.
	ValuesMissing ReasonKind = "values-missing"
	// NoSharedReference: no reference server is in both runs.
	NoSharedReference ReasonKind = "no-shared-reference"
	// NoValidReference: no reference server has a valid trial in both runs.
	NoValidReference ReasonKind = "no-valid-reference"
	// ProfilesDiffer: OLD and NEW have the profiles Names.
	ProfilesDiffer ReasonKind = "profiles-differ"
	// LabsDiffer: OLD and NEW were measured by the versions Names of the lab.
	LabsDiffer ReasonKind = "labs-differ"
	// SidesFailed: more than the share Limit of requests failed in a side's worst trial. Parts are
	// pairs: the share in OLD and in NEW of the same line.
	SidesFailed ReasonKind = "sides-failed"
	// MixedLatencySchemas: latencies of the run Names[0], which has the schema version Count, include
	// failed requests; those of Names[1], of version Total, do not. Parts are the lines of Names[0] with
	// failed requests. Without any, it is no doubt.
	MixedLatencySchemas ReasonKind = "mixed-latency-schemas"
	// LineWithoutTrial: the line Subject has no valid trial in Count blocks of OLD and Total of NEW.
	LineWithoutTrial ReasonKind = "line-without-trial"
	// LinesWithoutHistory: Count of Total lines, of the metrics Names, have fewer than Needed comparable
	// other runs, so that their intervals include the standard deviation Value. Parts[0] has the kind
	// and the Count of the reason for that value, which is one of the following.
	LinesWithoutHistory ReasonKind = "lines-without-history"
	// VarianceOfHost: from a reference server's throughput in Count runs of the host.
	VarianceOfHost ReasonKind = "variance-of-host"
	// VarianceOfReferences: from the difference between the reference servers of OLD and NEW.
	VarianceOfReferences ReasonKind = "variance-of-references"
	VarianceOfOneRun     ReasonKind = "variance-of-one-run" // both sides are the same run
	VarianceUnknown      ReasonKind = "variance-unknown"
)
