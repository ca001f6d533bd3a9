package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/report"
	"runtimelab/lab/table"
)

// progress prints the progress of a run: a line for each trial that has ended, and on a
// terminal live lines with a bar of all trials and the current step. It implements
// experiment.Observer. Its methods may be called from several goroutines.
type progress struct {
	out     io.Writer
	addNote func(string) // records a note about a variant with the run
	plan    lab.Plan
	now     func() time.Time

	mu   sync.Mutex
	pace pace
	live liveLines

	stop    chan struct{}
	stopped sync.WaitGroup
}

// pace is how fast a run is, compared with its plan.
type pace struct {
	stepStart   time.Time     // of the current trial or pilot; zero: none runs
	plannedLeft time.Duration // planned time of the trials and pilots that are left
	plannedDone time.Duration // planned time of those that this process has measured
	actualTime  time.Duration // time that these took
	blockTime   time.Duration // planned time of a block
}

// newProgress returns the progress of a plan of which some trials have ended. The caller
// must close it.
func newProgress(
	out io.Writer, p lab.Plan, ended map[lab.TrialID]bool, addNote func(string),
) *progress {
	out = unwrapSafeWriter(out)
	total := plan.ExpectedDuration(p)
	o := &progress{
		out: out, addNote: addNote, plan: p, now: time.Now, stop: make(chan struct{}),
		pace: pace{plannedLeft: total, blockTime: total / time.Duration(max(p.Profile.Blocks, 1))},
	}
	alreadyEnded := 0
	for _, t := range p.Trials {
		if _, done := ended[t.ID()]; done {
			o.pace.plannedLeft -= plan.ExpectedTrialDuration(p, t)
			alreadyEnded++
		}
	}
	o.live = newLiveLines(canRewriteLines(out), p, alreadyEnded)
	if o.live.on {
		o.stopped.Go(o.redrawPeriodically)
	}
	return o
}

// Close removes the live lines.
func (o *progress) Close() {
	close(o.stop)
	o.stopped.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// timeLeft estimates the remaining time from the pace so far. One block at the planned
// pace is added, because the first trials alone may mislead by half.
func (o *progress) timeLeft() time.Duration {
	p := o.pace
	left := p.plannedLeft
	if p.blockTime > 0 {
		left = time.Duration(float64(left) * float64(p.actualTime+p.blockTime) / float64(p.plannedDone+p.blockTime))
	}
	if !p.stepStart.IsZero() {
		left -= o.now().Sub(p.stepStart)
	}
	return max(left, 0).Round(time.Second)
}

// startStep begins a trial or a pilot, which the live lines show as step.
func (o *progress) startStep(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live.step, o.pace.stepStart = step, o.now()
	o.redrawIfDue()
}

// endStep ends the current trial or pilot, whose planned duration is expected. A trial
// that will be repeated is not final: its planned duration is still left.
func (o *progress) endStep(expected time.Duration, final bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if final {
		o.pace.plannedLeft -= expected
	}
	if !o.pace.stepStart.IsZero() {
		o.pace.plannedDone += expected
		o.pace.actualTime += o.now().Sub(o.pace.stepStart)
	}
	o.pace.stepStart = time.Time{}
}

func (o *progress) ContractCheckStarted(variants int) {
	o.printLine("checking the answers of %s against the contract",
		message.Count(variants, "variant", "variants"))
}

func (o *progress) VariantRefused(variant string, why []string) {
	o.printLine("%s is NOT MEASURED: it violates the contract, or differs from the other variants:", variant)
	for i, difference := range why {
		if i == maxDifferences {
			o.printLine("    ... and %s", message.Count(len(why)-i, "more difference", "more differences"))
			break
		}
		o.printLine("    %s", strings.ReplaceAll(difference, "\n", "\n    "))
	}
	o.addNote(fmt.Sprintf("%s is not measured: %s", variant, why[0]))
}

// maxDifferences bounds the differences that are printed for a refused variant.
const maxDifferences = 5

func (o *progress) TrialStarted(t lab.Trial, number, total int) {
	o.startStep(fmt.Sprintf("trial %d/%d  %s: starting", number, total, trialLabel(t)))
}

func (o *progress) PhaseStarted(_ lab.Trial, phase lab.Phase, duration time.Duration) {
	upTo, traits := "", phase.Kind.Traits()
	if traits.Pacing == lab.ClosedUntilSteady {
		upTo = "up to "
	}
	name := phase.Name
	if traits.FindsCapacity() {
		name += fmt.Sprintf(" at %s/s", report.FormatDigits(phase.RateRPS))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	label, _, _ := strings.Cut(o.live.step, ": ")
	o.live.step = fmt.Sprintf("%s: %s, %s%v", label, name, upTo, duration.Round(100*time.Millisecond))
	o.redrawIfDue()
}

func (o *progress) PilotStarted(p lab.Pilot, number, total int) {
	o.startStep(fmt.Sprintf("pilot %d/%d  %s  %s: starting", number, total, p.Scenario, p.Variant))
}

func (o *progress) PilotEnded(p lab.Pilot, number, total int) {
	o.endStep(plan.WorstPilotDuration(o.plan.Profile), true)
	if p.Problem != "" {
		o.printLine("pilot %d/%d  %s  %s  failed: %s", number, total, p.Scenario, p.Variant, p.Problem)
		return
	}
	doubt := ""
	if p.Doubt != "" {
		doubt = " (doubt: " + p.Doubt + ")"
	}
	o.printLine("pilot %d/%d  %s  %s  peak %s req/s, which sets the rates%s",
		number, total, p.Scenario, p.Variant, report.FormatDigits(p.PeakRPS), doubt)
}

func (o *progress) TrialEnded(t lab.Trial, number, total int, samples []lab.Sample, repeat bool) {
	o.endStep(plan.ExpectedTrialDuration(o.plan, t), !repeat)
	o.countTrial(samples, !repeat)
	if len(samples) == 0 {
		return // a refused variant has its row from the first block
	}
	words := []string{fmt.Sprintf("trial %d/%d  %s", number, total, trialLabel(t))}
	for _, s := range samples {
		words = append(words, sampleOutcome(s))
	}
	switch {
	case repeat:
		words = append(words, "to be repeated at the end of its block")
	case number < total:
		words = append(words, fmt.Sprintf("about %s left", o.remaining()))
	}
	o.setLastOutcome(samples[len(samples)-1])
	o.printLine("%s", strings.Join(words, "  "))
}

// trialLabel describes a trial, with two spaces between columns.
func trialLabel(t lab.Trial) string {
	cpus := ""
	if t.Cores > 1 {
		cpus = fmt.Sprintf(" on %d CPUs", t.Cores)
	}
	return fmt.Sprintf("%s  %s%s  block %d", t.Scenario, t.Variant, cpus, t.Block)
}

// sampleOutcome describes the main figures of a sample, and its validity if it is not
// valid.
func sampleOutcome(s lab.Sample) string {
	switch {
	case s.Gate.Validity == lab.Failed:
		return "FAILED: " + s.Gate.Reason
	case s.Measured == nil && s.Search == nil:
		return fmt.Sprintf("aborted (%s: %s)", s.Gate.Validity, s.Gate.Reason)
	}
	text := s.Phase.ID()
	if s.Search != nil {
		return text + capacityText(s) + validityText(s)
	}
	w := *s.Measured
	if rps, ok := metric.ThroughputRPS(w); ok && !s.Phase.Kind.IsOpenLoop() {
		bound := ""
		if s.Gate.Validity == lab.Censored {
			bound = ">= "
		}
		text += fmt.Sprintf(" %s%s req/s", bound, report.FormatDigits(rps))
	}
	if offered, ok := metric.OfferedRPS(s.Phase); ok {
		text += fmt.Sprintf(" at %.0f/s", offered)
	}
	if goodput, ok := metric.GoodputRPS(w); ok {
		text += fmt.Sprintf(" goodput %.0f/s", goodput)
	}
	if w.Attack.Corrected != nil && w.Attack.Corrected.P99MS != nil && !s.Phase.Overloads() {
		text += fmt.Sprintf(" p99 %.2f ms", *w.Attack.Corrected.P99MS)
	}
	if ratio, _ := metric.ErrorRatio(w); ratio > 0 {
		text += fmt.Sprintf(" %.2g%% failed", 100*ratio)
	}
	if len(s.SLO.Missed) > 0 {
		text += " SLO missed"
	}
	return text + validityText(s)
}

// capacityText describes the result of a capacity search, and its number of steps.
func capacityText(s lab.Sample) string {
	rps, ok := metric.CapacityRPS(s)
	if !ok {
		last := s.Search.Steps[len(s.Search.Steps)-1]
		return fmt.Sprintf(" none: at %s/s %s", report.FormatDigits(last.OfferedRPS),
			strings.Join(last.MissedObjectives, ", "))
	}
	bound := ""
	if s.Gate.Validity == lab.Censored {
		bound = ">= "
	}
	return fmt.Sprintf(" %s%s/s, in %s", bound, report.FormatDigits(rps),
		message.Count(len(s.Search.Steps), "step", "steps"))
}

// validityText describes why a sample is not valid; it is empty if the sample is valid.
func validityText(s lab.Sample) string {
	if s.Gate.Validity == lab.Valid {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", s.Gate.Validity, s.Gate.Reason)
}

// remaining is timeLeft for callers that do not hold the lock.
func (o *progress) remaining() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.timeLeft()
}

// countTrial counts an attempt at a trial that has ended, for the bar.
func (o *progress) countTrial(samples []lab.Sample, final bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live.count(samples, final)
}

// setLastOutcome stores the outcome of a sample for the live lines.
func (o *progress) setLastOutcome(s lab.Sample) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live.last = sampleOutcome(s)
	if s.Gate.Validity == lab.Valid {
		o.live.last += " (valid)"
	}
}

// printLine prints a line that the live lines do not replace.
func (o *progress) printLine(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	fmt.Fprintln(o.out, table.EscapeControls(fmt.Sprintf(format, args...)))
}
