// Package experiment is the loop that drives the flow: it examines every
// variant against the contract, runs the plan's trials one after another in
// fresh cells, has each sample judged, and hands it on. It declares the small
// interfaces that it needs of engine, agent, contract and record, and knows
// none of them.
package experiment

import (
	"context"
	"time"

	"runtimelab/lab"
)

// Cells opens cells: a namespace with loopback only and a generator in it on
// the given CPUs, or on any when there are none.
type Cells interface {
	OpenCell(ctx context.Context, cpus []int) (Cell, error)
	// RunCanaries does a fixed piece of CPU work on each of the CPUs at once.
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
	// CheckEngine says why no cell can be opened any more: the engine does not answer, or
	// no longer holds what the run has on it.
	CheckEngine(ctx context.Context) error
}

// Cell is one open cell.
type Cell interface {
	StartServer(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (Server, error)
	// StartUpstream starts what servers call while they answer, and returns
	// when it answers.
	StartUpstream(ctx context.Context, cpus []int) (Upstream, error)
	// AwaitFirstAnswer waits for the server's first correct answer and returns its moment.
	AwaitFirstAnswer(ctx context.Context, t lab.Target, patience time.Duration) (time.Time, error)
	// Send sends each request once.
	Send(ctx context.Context, requests []lab.Request) ([]lab.Answer, error)
	Attack(ctx context.Context, a lab.Attack) (lab.AttackResult, error)
	// ReadHits hands what the last attack kept of its hits to each, in chunks.
	ReadHits(ctx context.Context, each func([]lab.Hit) error) error
	// ExitReason says how the generator ended, empty while it runs.
	ExitReason(ctx context.Context) string
	Close(ctx context.Context) error
}

// Server is a server's container in a cell.
type Server interface {
	StartedAt() time.Time
	Done(ctx context.Context) <-chan struct{}
	// ExitReason says how the server ended, empty while it runs.
	ExitReason(ctx context.Context) string
	LogTail(ctx context.Context) string
	Usage(ctx context.Context) (lab.Usage, error)
	Remove(ctx context.Context) error
}

// Upstream is what servers call, in a container of its own.
type Upstream interface {
	// Calls is how often it has been called so far.
	Calls(ctx context.Context) (int64, error)
	Remove(ctx context.Context) error
}

// ContractChecker knows what every variant must answer.
type ContractChecker interface {
	// Requests are what each variant is asked.
	Requests() []lab.Request
	// Succeeding returns requests that every variant answers with success: one for
	// each path and method that the contract knows.
	Succeeding() []lab.Request
	// CheckAnswers compares the answers to Requests with the contract's; what it
	// returns is for people, one difference each.
	CheckAnswers(answers []lab.Answer) []string
	// CompareAnswers compares two variants' answers to any requests.
	CompareAnswers(requests []lab.Request, a, b string, answersA, answersB []lab.Answer) []string
	// CheckIdentity reads the answer to IdentityRequest, and says what differs from
	// what every server must be given and from what v must be; cpus is what it
	// was to run on.
	CheckIdentity(answer lab.Answer, v lab.Variant, cpus []int) (lab.Identity, []string)
	IdentityRequest() lab.Request
}

// Recorder keeps samples, the plan that pilots have completed, and who is refused.
type Recorder interface {
	// RecordSamples keeps the samples of a trial that has ended.
	RecordSamples(samples ...lab.Sample) error
	RecordPlan(p lab.Plan) error
	// RecordRefusals keeps why variants are not measured, by their ids.
	RecordRefusals(why map[string]string) error
	// RecordHits keeps the hits of a sample's attack, which read hands over in
	// chunks.
	RecordHits(s lab.Sample, read func(each func([]lab.Hit) error) error) error
}

// Observer is told how the experiment goes, for people to read. Every method
// returns soon.
type Observer interface {
	ContractCheckStarted(variants int)
	VariantRefused(variant string, why []string)
	TrialStarted(t lab.Trial, number, of int)
	PilotStarted(p lab.Pilot, number, of int)
	// PilotEnded tells what a pilot found, or why it found nothing.
	PilotEnded(p lab.Pilot, number, of int)
	PhaseStarted(t lab.Trial, phase lab.Phase, lasts time.Duration)
	// TrialEnded tells what a trial brought; again says that it was disturbed
	// and is repeated.
	TrialEnded(t lab.Trial, number, of int, samples []lab.Sample, again bool)
}
