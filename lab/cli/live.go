package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"runtimelab/lab"
	"runtimelab/lab/table"
)

// redrawInterval is the shortest time between two drawings of the live lines.
const redrawInterval = 500 * time.Millisecond

// barWidth is the number of characters of the bar. Its line fits into 80 characters.
const barWidth = 10

// liveLines are what a terminal shows below the lines of trials that have ended: a bar of all trials,
// and a line with the current step.
type liveLines struct {
	on      bool // the output is a terminal
	shown   bool // the lines are on the screen
	drawnAt time.Time
	step    string // the trial or pilot that runs, and its phase
	last    string // the last sample and its validity

	bar      *progressbar.ProgressBar
	ended    int // trials that have ended, those of an earlier session included
	measured int // attempts at trials that this process has measured
	valid    int // those in which every phase is valid or a bound
}

// newLiveLines returns the live lines of a plan of which some trials have ended.
func newLiveLines(on bool, p lab.Plan, ended int) liveLines {
	return liveLines{on: on, ended: ended, bar: progressbar.NewOptions(len(p.Trials),
		progressbar.OptionSetWriter(io.Discard), // drawn with the line below it
		progressbar.OptionSetWidth(barWidth), progressbar.OptionThrottle(0),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetTheme(progressbar.Theme{
			Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]",
		}))}
}

// count counts an attempt at a trial that has ended. If it is final, the trial is not repeated.
func (l *liveLines) count(samples []lab.Sample, final bool) {
	if final {
		l.ended++
	}
	if len(samples) == 0 {
		return // of a refused variant
	}
	l.measured++
	for _, s := range samples {
		if s.Gate.Validity != lab.Valid && s.Gate.Validity != lab.Censored {
			return
		}
	}
	l.valid++
}

// barLine returns the bar with the trials done of all, their share, how many are valid, and the time
// left. It has no verdict: who looks early and stops at a good one finds effects that are not there.
func (l *liveLines) barLine(left time.Duration) (string, error) {
	if err := l.bar.Set(l.ended); err != nil {
		return "", err
	}
	if l.ended == 0 {
		if err := l.bar.RenderBlank(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s %d/%d trials, %d/%d valid, about %s left; verdicts come last",
		strings.TrimSpace(l.bar.String()), l.ended, l.bar.GetMax(), l.valid, l.measured, left), nil
}

// stepLine returns the line with the current step.
func (l *liveLines) stepLine() string {
	if l.last == "" {
		return l.step
	}
	return l.step + "  last: " + l.last
}

// canRewriteLines reports whether w is a terminal on which lines can be rewritten.
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

// redrawPeriodically updates the remaining time in the live lines until Close.
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

// redrawIfDue draws the live lines unless they were drawn within redrawInterval. In that case
// redrawPeriodically draws them soon.
func (o *progress) redrawIfDue() {
	if o.now().Sub(o.live.drawnAt) >= redrawInterval {
		o.redraw()
	}
}

// redraw replaces the live lines. It does nothing if the output is not a terminal.
func (o *progress) redraw() {
	if !o.live.on || o.live.step == "" {
		return
	}
	o.clear()
	width := o.width() - 1
	if bar, err := o.live.barLine(o.timeLeft()); err == nil { // of the bar's writer, which discards
		fmt.Fprintln(o.out, truncate(bar, width))
	} else {
		fmt.Fprintln(o.out)
	}
	fmt.Fprint(o.out, truncate(table.EscapeControls(o.live.stepLine()), width))
	o.live.shown, o.live.drawnAt = true, o.now()
}

// truncate returns the first width characters of a line.
func truncate(line string, width int) string {
	line = strings.ReplaceAll(line, "\n", " ")
	if characters := []rune(line); len(characters) > width {
		return string(characters[:max(width, 0)])
	}
	return line
}

// clear removes the live lines from the screen.
func (o *progress) clear() {
	if o.live.shown {
		fmt.Fprint(o.out, "\r\x1b[K\x1b[1A\x1b[K")
		o.live.shown = false
	}
}
