// Package experiment runs a plan. It checks every variant against the contract,
// runs the trials one after another in fresh cells, judges each sample and
// records it. It declares the interfaces that it needs of engine, agent,
// contract and record, and imports none of them.
package experiment

import (
	"context"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// Cells opens cells and uses the engine for what lies outside of them. The errors of Cells and of
// what it opens name the party that caused them, as far as they know it: see causeOf.
type Cells interface {
	// Open opens a cell: a namespace with loopback only, its generator, and its services. It starts
	// the services in the order of the request. It waits until each is ready before it starts the next,
	// except for the server: the trial times its first answer. After an error nothing stays open; the
	// error names the party that caused it.
	Open(ctx context.Context, request lab.CellRequest) (Cell, error)
	// RunCanaries runs a fixed piece of CPU work on all of the CPUs at once.
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
	// CheckEngine returns why no cell can be opened any more, or nil: the engine
	// does not answer, or it lost the run's lease.
	CheckEngine(ctx context.Context) error
}

// Cell is one open cell.
type Cell interface {
	// Services returns the services in the order in which they started.
	Services() []Service
	// AwaitFirstAnswer waits for the server's first correct answer and returns its time.
	AwaitFirstAnswer(ctx context.Context, t lab.Target, patience time.Duration) (time.Time, error)
	// Listeners returns the sockets of the cell that accept connections.
	Listeners(ctx context.Context) ([]lab.Listener, error)
	// Send sends each request once to the server.
	Send(ctx context.Context, requests []lab.Request) ([]lab.Answer, error)
	// CheckSubscribers subscribes to rooms of the server, publishes, and returns how the server breaks
	// rule.
	CheckSubscribers(ctx context.Context, rule lab.SubscriptionRule) ([]lab.DeliveryFault, error)
	Attack(ctx context.Context, a lab.Attack) (account.Observation, error)
	// ReadHits passes the hits that the last attack kept to each, in chunks.
	ReadHits(ctx context.Context, each func([]lab.Hit) error) error
	// ExitReason returns how the generator ended, or "" while it runs or if that is unknown.
	ExitReason(ctx context.Context) string
	// Close removes the generator and all services.
	Close(ctx context.Context) error
}

// Service is the container of a service in a cell.
type Service interface {
	Spec() lab.Service
	Grant() lab.Grant
	StartedAt() time.Time
	// Done returns a channel that receives nil when the service's process has ended, or why that
	// cannot be known.
	Done(ctx context.Context) <-chan error
	// Ending returns how the service ended.
	Ending(ctx context.Context) lab.Ending
	LogTail(ctx context.Context) string
	Usage(ctx context.Context) (account.Usage, error)
	// Calls returns the number of calls so far, or nil if the service does not count them.
	Calls(ctx context.Context) (*int64, error)
	// Counts returns what a database has counted so far, or nil if it is not asked.
	Counts(ctx context.Context) (*lab.DatabaseCounts, error)
}

// ContractChecker compares answers with the workloads that variants offer.
type ContractChecker interface {
	// Workloads returns the names of the workloads that a variant must answer.
	Workloads(v lab.Variant) []string
	// Needs returns the names of the services that a server calls to answer a workload.
	Needs(workload string) []string
	// Requests returns the requests of a workload.
	Requests(workload string) []lab.Request
	// Subscription returns how messages come to the subscribers of a workload; nil if it has none.
	Subscription(workload string) *lab.SubscriptionRule
	// Succeeding returns requests that are answered with success where they are offered: one for
	// each path and method of the workloads.
	Succeeding() []lab.Request
	// CheckAnswers compares the answers to the Requests of a workload with those that it
	// wants. It returns one readable text for each difference.
	CheckAnswers(workload string, answers []lab.Answer) []string
	// CompareAnswers compares the answers of variants a and b to the same requests.
	CompareAnswers(requests []lab.Request, a, b string, answersA, answersB []lab.Answer) []string
	// CheckIdentity parses the answer to IdentityRequest. It returns what differs
	// from the limits of every server, from v and from cpus, on which it must run.
	CheckIdentity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string)
	IdentityRequest() lab.Request
}

// Recorder writes samples, the completed plan and refusals to the run's folder.
type Recorder interface {
	// RecordSamples writes the samples of a trial that has ended.
	RecordSamples(samples ...lab.Sample) error
	// RecordPlan writes the plan with the peaks that its pilots found.
	RecordPlan(p lab.Plan) error
	// RecordRefusals writes why variants are not measured, by variant id.
	RecordRefusals(why map[string]string) error
	// RecordHits writes the hits of a sample's attack, which read passes to each in
	// chunks.
	RecordHits(s lab.Sample, read func(each func([]lab.Hit) error) error) error
}

// Observer receives progress events. Its methods must return quickly.
type Observer interface {
	ContractCheckStarted(variants int)
	VariantRefused(variant string, why []string)
	TrialStarted(t lab.Trial, number, of int)
	PilotStarted(p lab.Pilot, number, of int)
	// PilotEnded reports the peak of a pilot, or why there is none.
	PilotEnded(p lab.Pilot, number, of int)
	PhaseStarted(t lab.Trial, phase lab.Phase, lasts time.Duration)
	// TrialEnded reports the samples of a trial. again is true if the trial was
	// disturbed and will be repeated.
	TrialEnded(t lab.Trial, number, of int, samples []lab.Sample, again bool)
}
