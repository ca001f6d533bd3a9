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
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/report"
)

// redrawInterval is how often the live line is drawn at the most: faster is for nobody to
// read, and a remote terminal's traffic.
const redrawInterval = 500 * time.Millisecond

// progress tells people how a run goes: one line for each trial that ended,
// and on a terminal a last line that says what is under way. Its methods may be
// called from several goroutines.
type progress struct {
	to    io.Writer
	live  bool         // whether a line may be rewritten
	notes func(string) // keeps what was said about a variant in the run's record
	plan  lab.Plan
	now   func() time.Time

	mu          sync.Mutex
	shown       bool          // the live line is on the screen
	drawn       time.Time     // when it was drawn last
	currentStep string        // what runs
	lastOutcome string        // the last figure, and what it is worth
	began       time.Time     // the trial or pilot under way
	plannedLeft time.Duration // that what is left takes by the plan
	plannedDone time.Duration // that what has ended should have taken by it
	actualTime  time.Duration // that it did take
	blockTime   time.Duration // that a block takes by it

	stop    chan struct{}
	stopped sync.WaitGroup
}

// newProgress is told which trials have ended already. It is to be closed.
func newProgress(to io.Writer, p lab.Plan, ended map[lab.TrialID]bool, notes func(string)) *progress {
	to = unwrapSafeWriter(to)
	whole := plan.ExpectedDuration(p)
	o := &progress{
		to: to, live: rewritable(to), notes: notes, plan: p, now: time.Now,
		plannedLeft: whole, blockTime: whole / time.Duration(max(p.Profile.Blocks, 1)), stop: make(chan struct{}),
	}
	for _, t := range p.Trials {
		if _, has := ended[t.ID()]; has {
			o.plannedLeft -= plan.ExpectedTrialDuration(p, t)
		}
	}
	if o.live {
		o.stopped.Go(o.draw)
	}
	return o
}

// draw keeps the live line's clock going.
func (o *progress) draw() {
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

// Close takes the live line off the screen.
func (o *progress) Close() {
	close(o.stop)
	o.stopped.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// rewritable reports whether a line written to w can be written anew.
func rewritable(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is that of the terminal now; people change it.
func (o *progress) width() int {
	if f, ok := o.to.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return w
		}
	}
	return 80
}

// timeLeft is how long the rest takes at the pace so far, with one block at the plan's
// pace added to what was seen: scenarios differ in how near they come to the plan,
// and by the first few trials alone an hour would seem to be half of one.
func (o *progress) timeLeft() time.Duration {
	left := o.plannedLeft
	if o.blockTime > 0 {
		left = time.Duration(float64(left) * float64(o.actualTime+o.blockTime) / float64(o.plannedDone+o.blockTime))
	}
	if !o.began.IsZero() {
		left -= o.now().Sub(o.began)
	}
	return max(left, 0).Round(time.Second)
}

// start and end are of a trial or a pilot, which the plan expects to take so long.
func (o *progress) start(doing string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.currentStep, o.began = doing, o.now()
	o.redrawIfDue()
}

func (o *progress) end(expected time.Duration, planned bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if planned {
		o.plannedLeft -= expected
	}
	if !o.began.IsZero() {
		o.plannedDone += expected
		o.actualTime += o.now().Sub(o.began)
	}
	o.began = time.Time{}
}

func (o *progress) ContractCheckStarted(variants int) {
	o.printLine("checking the answers of %d variants against the contract", variants)
}

func (o *progress) VariantRefused(variant string, why []string) {
	o.printLine("%s is NOT MEASURED: it breaks the contract, or differs from the others:", variant)
	for i, difference := range why {
		if i == maxDifferences {
			o.printLine("    ... and %d more differences", len(why)-i)
			break
		}
		o.printLine("    %s", strings.ReplaceAll(difference, "\n", "\n    "))
	}
	o.notes(fmt.Sprintf("%s is not measured: %s", variant, why[0]))
}

const maxDifferences = 5

func (o *progress) TrialStarted(t lab.Trial, number, of int) {
	o.start(fmt.Sprintf("trial %d/%d  %s: starting", number, of, trialLabel(t)))
}

func (o *progress) PhaseStarted(_ lab.Trial, phase lab.Phase, lasts time.Duration) {
	upTo := ""
	if phase.Kind == lab.WarmUp {
		upTo = "up to "
	}
	name := phase.Name
	if phase.Kind == lab.Capacity {
		name += fmt.Sprintf(" at %s/s", report.FormatDigits(phase.RateRPS))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	which, _, _ := strings.Cut(o.currentStep, ": ")
	o.currentStep = fmt.Sprintf("%s: %s, %s%v", which, name, upTo, lasts.Round(100*time.Millisecond))
	o.redrawIfDue()
}

func (o *progress) PilotStarted(p lab.Pilot, number, of int) {
	o.start(fmt.Sprintf("pilot %d/%d  %s  %s: starting", number, of, p.Scenario, p.Variant))
}

func (o *progress) PilotEnded(p lab.Pilot, number, of int) {
	o.end(plan.WorstPilotDuration(o.plan.Profile), true)
	if p.Problem != "" {
		o.printLine("pilot %d/%d  %s  %s  found nothing: %s", number, of, p.Scenario, p.Variant, p.Problem)
		return
	}
	doubt := ""
	if p.Doubt != "" {
		doubt = " (doubt: " + p.Doubt + ")"
	}
	o.printLine("pilot %d/%d  %s  %s  peak %s req/s, from which rates follow%s", number, of, p.Scenario,
		p.Variant, report.FormatDigits(p.PeakRPS), doubt)
}

func (o *progress) TrialEnded(t lab.Trial, number, of int, samples []lab.Sample, again bool) {
	o.end(plan.ExpectedTrialDuration(o.plan, t), !again)
	if len(samples) == 0 {
		return // a refused variant, whose row was written with the first block
	}
	words := []string{fmt.Sprintf("trial %d/%d  %s", number, of, trialLabel(t))}
	for _, s := range samples {
		words = append(words, sampleOutcome(s))
	}
	switch {
	case again:
		words = append(words, "to be repeated at the end of its block")
	case number < of:
		words = append(words, fmt.Sprintf("about %s left", o.remaining()))
	}
	o.setLastOutcome(samples[len(samples)-1])
	o.printLine("%s", strings.Join(words, "  "))
}

// trialLabel is a trial in a few words, in columns that are told apart.
func trialLabel(t lab.Trial) string {
	cpus := ""
	if t.Cores > 1 {
		cpus = fmt.Sprintf(" on %d CPUs", t.Cores)
	}
	return fmt.Sprintf("%s  %s%s  block %d", t.Scenario, t.Variant, cpus, t.Block)
}

// sampleOutcome is a sample in a few words.
func sampleOutcome(s lab.Sample) string {
	switch {
	case s.Gate.Validity == lab.Failed:
		return "FAILED: " + s.Gate.Reason
	case s.Attack == nil && s.Search == nil:
		return fmt.Sprintf("broken off (%s: %s)", s.Gate.Validity, s.Gate.Reason)
	}
	text := s.Phase.ID()
	if s.Search != nil {
		return text + capacity(s) + validityNote(s)
	}
	if rps, ok := metric.ThroughputRPS(s); ok && !s.Phase.Kind.IsOpenLoop() {
		bound := ""
		if s.Gate.Validity == lab.Censored {
			bound = ">= "
		}
		text += fmt.Sprintf(" %s%s req/s", bound, report.FormatDigits(rps))
	}
	if offered, ok := metric.OfferedRPS(s); ok {
		text += fmt.Sprintf(" at %.0f/s", offered)
	}
	if goodput, ok := metric.GoodputRPS(s); ok {
		text += fmt.Sprintf(" goodput %.0f/s", goodput)
	}
	if s.Attack.Corrected != nil && s.Attack.Corrected.P99MS != nil && !s.Phase.Overloads() {
		text += fmt.Sprintf(" p99 %.2f ms", *s.Attack.Corrected.P99MS)
	}
	if ratio, _ := metric.ErrorRatio(s); ratio > 0 {
		text += fmt.Sprintf(" %.2g%% failed", 100*ratio)
	}
	if len(s.MissedObjectives) > 0 {
		text += " SLO missed"
	}
	return text + validityNote(s)
}

// capacity is what a search found, and in how many steps.
func capacity(s lab.Sample) string {
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
	return fmt.Sprintf(" %s%s/s, in %d steps", bound, report.FormatDigits(rps), len(s.Search.Steps))
}

// validityNote is why a sample is not valid.
func validityNote(s lab.Sample) string {
	if s.Gate.Validity == lab.Valid {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", s.Gate.Validity, s.Gate.Reason)
}

func (o *progress) remaining() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.timeLeft()
}

// setLastOutcome remembers the last figure for the live line.
func (o *progress) setLastOutcome(s lab.Sample) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastOutcome = sampleOutcome(s)
	if s.Gate.Validity == lab.Valid {
		o.lastOutcome += " (valid)"
	}
}

// printLine writes a line that stays.
func (o *progress) printLine(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	fmt.Fprintln(o.to, escapeControls(fmt.Sprintf(format, args...)))
}

// redrawIfDue draws the live line unless it was drawn a moment ago: the ticker draws it
// then.
func (o *progress) redrawIfDue() {
	if o.now().Sub(o.drawn) >= redrawInterval {
		o.redraw()
	}
}

// redraw writes the live line, which the next one replaces; nothing off a terminal.
func (o *progress) redraw() {
	if !o.live || o.currentStep == "" {
		return
	}
	o.clear()
	text := fmt.Sprintf("%s  about %s left", o.currentStep, o.timeLeft())
	if o.lastOutcome != "" {
		text += "  last: " + o.lastOutcome
	}
	fmt.Fprint(o.to, shortened(escapeControls(text), o.width()-1))
	o.shown, o.drawn = true, o.now()
}

// shortened is the beginning of a line, of so many characters at the most.
func shortened(line string, width int) string {
	line = strings.ReplaceAll(line, "\n", " ")
	if characters := []rune(line); len(characters) > width {
		return string(characters[:max(width, 0)])
	}
	return line
}

func (o *progress) clear() {
	if o.shown {
		fmt.Fprint(o.to, "\r\x1b[K")
		o.shown = false
	}
}
