package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/report"
)

// progress tells people how a run goes: one line for each trial that ended,
// and on a terminal a last line that says what is under way.
type progress struct {
	to    io.Writer
	live  bool // whether a line may be rewritten
	width int
	notes func(string) // keeps what was said about a variant in the run's record
	plan  lab.Plan
	left  time.Duration // as a rule
	pilot time.Duration
}

func newProgress(to io.Writer, p lab.Plan, notes func(string)) *progress {
	live, width := terminal(to)
	return &progress{to: to, live: live, width: width, notes: notes, plan: p, left: plan.Expected(p), pilot: plan.PilotDuration(p.Profile)}
}

// terminal reports whether a line written to w can be rewritten, and its width.
func terminal(w io.Writer) (live bool, width int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return err == nil, width
}

func (o *progress) Examining(variants int) {
	o.line("checking the answers of %d variants against the contract", variants)
}

func (o *progress) Refused(variant string, why []string) {
	o.line("%s is NOT MEASURED: it breaks the contract, or differs from the others:", variant)
	for i, difference := range why {
		if i == maxDifferences {
			o.line("    ... and %d more differences", len(why)-i)
			break
		}
		o.line("    %s", strings.ReplaceAll(difference, "\n", "\n    "))
	}
	o.notes(fmt.Sprintf("%s is not measured: %s", variant, why[0]))
}

const maxDifferences = 5

func (o *progress) TrialStarted(t lab.Trial, number, of int) {
	o.status("trial %d/%d  %s: starting", number, of, whichTrial(t))
}

func (o *progress) PhaseStarted(t lab.Trial, phase lab.Phase, lasts time.Duration) {
	upTo := ""
	if phase.Kind == lab.WarmUp {
		upTo = "up to "
	}
	name := phase.Name
	if phase.Kind == lab.Capacity {
		name += fmt.Sprintf(" at %s/s", report.Digits(phase.RateRPS))
	}
	o.status("%s  %s  block %d: %s, %s%v", t.Scenario, t.Variant, t.Block, name, upTo, lasts.Round(100*time.Millisecond))
}

func (o *progress) PilotEnded(p lab.Pilot, number, of int) {
	o.left -= o.pilot
	if p.Problem != "" {
		o.line("pilot %d/%d  %s  %s  found nothing: %s", number, of, p.Scenario, p.Variant, p.Problem)
		return
	}
	doubt := ""
	if p.Doubt != "" {
		doubt = " (disturbed: " + p.Doubt + ")"
	}
	o.line("pilot %d/%d  %s  %s  peak %s req/s, from which rates follow%s", number, of, p.Scenario, p.Variant, report.Digits(p.PeakRPS), doubt)
}

func (o *progress) TrialEnded(t lab.Trial, number, of int, samples []lab.Sample, again bool) {
	if !again {
		o.left -= plan.TrialDuration(o.plan, t)
	}
	if len(samples) == 0 {
		return // a refused variant, whose row was written with the first block
	}
	words := []string{fmt.Sprintf("trial %d/%d  %s", number, of, whichTrial(t))}
	for _, s := range samples {
		words = append(words, outcome(s))
	}
	switch {
	case again:
		words = append(words, "to be repeated at the end of its block")
	case number < of:
		words = append(words, fmt.Sprintf("about %s left", max(o.left, 0).Round(time.Second)))
	}
	o.line("%s", strings.Join(words, "  "))
}

// whichTrial is a trial in a few words, in columns that are told apart.
func whichTrial(t lab.Trial) string {
	cpus := ""
	if t.Cores > 1 {
		cpus = fmt.Sprintf(" on %d CPUs", t.Cores)
	}
	return fmt.Sprintf("%s  %s%s  block %d", t.Scenario, t.Variant, cpus, t.Block)
}

// outcome is a sample in a few words.
func outcome(s lab.Sample) string {
	if s.Gate.Validity == lab.Failed {
		return "FAILED: " + s.Gate.Reason
	}
	text := s.Phase.ID()
	if s.Search != nil {
		return text + capacity(s) + doubt(s)
	}
	if rps, ok := metric.ThroughputRPS(s); ok && !s.Phase.Kind.Open() {
		bound := ""
		if s.Gate.Validity == lab.Censored {
			bound = ">= "
		}
		text += fmt.Sprintf(" %s%s req/s", bound, report.Digits(rps))
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
	if len(s.Missed) > 0 {
		text += " SLO missed"
	}
	return text + doubt(s)
}

// capacity is what a search found, and in how many steps.
func capacity(s lab.Sample) string {
	rps, ok := metric.CapacityRPS(s)
	if !ok {
		last := s.Search.Steps[len(s.Search.Steps)-1]
		return fmt.Sprintf(" none: at %s/s %s", report.Digits(last.OfferedRPS), strings.Join(last.Missed, ", "))
	}
	bound := ""
	if s.Gate.Validity == lab.Censored {
		bound = ">= "
	}
	return fmt.Sprintf(" %s%s/s, in %d steps", bound, report.Digits(rps), len(s.Search.Steps))
}

// doubt is why a sample is not valid.
func doubt(s lab.Sample) string {
	if s.Gate.Validity == lab.Valid {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", s.Gate.Validity, s.Gate.Reason)
}

// line writes a line that stays.
func (o *progress) line(format string, args ...any) {
	o.clear()
	fmt.Fprintf(o.to, format+"\n", args...)
}

// status writes a line that the next one replaces; nothing off a terminal.
func (o *progress) status(format string, args ...any) {
	if !o.live {
		return
	}
	o.clear()
	text := fmt.Sprintf(format, args...)
	if len(text) >= o.width {
		text = text[:max(o.width-1, 0)]
	}
	fmt.Fprint(o.to, text)
}

func (o *progress) clear() {
	if o.live {
		fmt.Fprint(o.to, "\r\x1b[K")
	}
}
