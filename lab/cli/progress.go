package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/report"
	"runtimelab/lab/table"
)

// redrawInterval is the shortest time between two drawings of the live line.
const redrawInterval = 500 * time.Millisecond

// progress prints the progress of a run: a line for each trial that has ended, and on a
// terminal a live line with the current step. It implements experiment.Observer. Its
// methods may be called from several goroutines.
type progress struct {
	out     io.Writer
	live    bool         // out is a terminal with a live line
	addNote func(string) // records a note about a variant with the run
	plan    lab.Plan
	now     func() time.Time

	mu          sync.Mutex
	shown       bool          // the live line is on the screen
	drawnAt     time.Time     // when the live line was drawn
	currentStep string        // the trial or pilot that runs, and its phase
	lastOutcome string        // the last sample and its validity
	stepStart   time.Time     // of the current trial or pilot; zero: none runs
	plannedLeft time.Duration // planned time of the trials and pilots that are left
	plannedDone time.Duration // planned time of those that this process has measured
	actualTime  time.Duration // time that these took
	blockTime   time.Duration // planned time of a block

	stop    chan struct{}
	stopped sync.WaitGroup
}

// newProgress returns the progress of a plan of which some trials have ended. The caller
// must close it.
func newProgress(
	out io.Writer, p lab.Plan, ended map[lab.TrialID]bool, addNote func(string),
) *progress {
	out = unwrapSafeWriter(out)
	total := plan.ExpectedDuration(p)
	o := &progress{
		out: out, live: canRewriteLines(out), addNote: addNote, plan: p, now: time.Now,
		plannedLeft: total, blockTime: total / time.Duration(max(p.Profile.Blocks, 1)),
		stop: make(chan struct{}),
	}
	for _, t := range p.Trials {
		if _, done := ended[t.ID()]; done {
			o.plannedLeft -= plan.ExpectedTrialDuration(p, t)
		}
	}
	if o.live {
		o.stopped.Go(o.redrawPeriodically)
	}
	return o
}

// redrawPeriodically updates the remaining time in the live line until Close.
func (o *progress) redrawPeriodically() {
	tick := time.NewTicker(redrawInterval)
	defer tick.Stop()
	for {
		select {
		case <-o.stop:
			return
		case <-tick.C:
			o.mu.Lock()
			o.redraw()
			o.mu.Unlock()
		}
	}
}

// Close removes the live line.
func (o *progress) Close() {
	close(o.stop)
	o.stopped.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// canRewriteLines reports whether w is a terminal on which a line can be rewritten.
func canRewriteLines(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width returns the current width of the terminal in characters.
func (o *progress) width() int {
	if f, ok := o.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return w
		}
	}
	return 80
}

// timeLeft estimates the remaining time from the pace so far. One block at the planned
// pace is added, because the first trials alone may mislead by half.
func (o *progress) timeLeft() time.Duration {
	left := o.plannedLeft
	if o.blockTime > 0 {
		left = time.Duration(float64(left) * float64(o.actualTime+o.blockTime) / float64(o.plannedDone+o.blockTime))
	}
	if !o.stepStart.IsZero() {
		left -= o.now().Sub(o.stepStart)
	}
	return max(left, 0).Round(time.Second)
}

// startStep begins a trial or a pilot, which the live line shows as step.
func (o *progress) startStep(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.currentStep, o.stepStart = step, o.now()
	o.redrawIfDue()
}

// endStep ends the current trial or pilot, whose planned duration is expected. A trial
// that will be repeated is not final: its planned duration is still left.
func (o *progress) endStep(expected time.Duration, final bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if final {
		o.plannedLeft -= expected
	}
	if !o.stepStart.IsZero() {
		o.plannedDone += expected
		o.actualTime += o.now().Sub(o.stepStart)
	}
	o.stepStart = time.Time{}
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
	label, _, _ := strings.Cut(o.currentStep, ": ")
	o.currentStep = fmt.Sprintf("%s: %s, %s%v", label, name, upTo, duration.Round(100*time.Millisecond))
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

// setLastOutcome stores the outcome of a sample for the live line.
func (o *progress) setLastOutcome(s lab.Sample) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastOutcome = sampleOutcome(s)
	if s.Gate.Validity == lab.Valid {
		o.lastOutcome += " (valid)"
	}
}

// printLine prints a line that the live line does not replace.
func (o *progress) printLine(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	fmt.Fprintln(o.out, table.EscapeControls(fmt.Sprintf(format, args...)))
}

// redrawIfDue draws the live line unless it was drawn within redrawInterval. In that case
// redrawPeriodically draws it soon.
func (o *progress) redrawIfDue() {
	if o.now().Sub(o.drawnAt) >= redrawInterval {
		o.redraw()
	}
}

// redraw replaces the live line. It does nothing if the output is not a terminal.
func (o *progress) redraw() {
	if !o.live || o.currentStep == "" {
		return
	}
	o.clear()
	text := fmt.Sprintf("%s  about %s left", o.currentStep, o.timeLeft())
	if o.lastOutcome != "" {
		text += "  last: " + o.lastOutcome
	}
	fmt.Fprint(o.out, truncate(table.EscapeControls(text), o.width()-1))
	o.shown, o.drawnAt = true, o.now()
}

// truncate returns the first width characters of a line.
func truncate(line string, width int) string {
	line = strings.ReplaceAll(line, "\n", " ")
	if characters := []rune(line); len(characters) > width {
		return string(characters[:max(width, 0)])
	}
	return line
}

// clear removes the live line from the screen.
func (o *progress) clear() {
	if o.shown {
		fmt.Fprint(o.out, "\r\x1b[K")
		o.shown = false
	}
}
