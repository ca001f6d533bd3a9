package page

import (
	"cmp"
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/report"
	"runtimelab/lab/wording"
)

// headline says in two sentences what was found, and whether the instrument can be trusted.
type headline struct {
	Found   string
	Trust   string
	Alarmed bool     // the figures must not be used as they are
	Alarms  []string // what else a reader must know before any figure
}

func newHeadline(r report.Report) headline {
	h := headline{Found: found(r)}
	h.Trust, h.Alarmed = trust(r)
	switch {
	case r.Trials == 0:
		h.Alarms = append(h.Alarms, "No trial was recorded.")
	case r.Trials == 1:
		h.Alarms = append(h.Alarms,
			"A single trial was measured: it shows that the lab works, and compares nothing.")
	case r.Blocks == 1:
		h.Alarms = append(h.Alarms, fmt.Sprintf(
			"Each cell was measured once: this shows that the lab works. Comparisons need %d blocks.", lab.MinBlocks))
	case r.Blocks < lab.MinBlocks:
		h.Alarms = append(h.Alarms,
			fmt.Sprintf("%d blocks were measured: comparisons need %d.", r.Blocks, lab.MinBlocks))
	}
	if r.Trials > 0 && r.Valid == 0 {
		h.Alarms = append(h.Alarms, fmt.Sprintf("Nothing is valid: 0 of %s counts, so no figure can be used. "+
			"“Every trial” has the reasons.", message.Count(r.Trials, "trial", "trials")))
	}
	if run := r.Run; run != nil && run.State != "done" && run.State != "running" {
		text := "The run was " + run.State
		if run.Reason != "" {
			text += ": " + run.Reason
		}
		h.Alarms = append(h.Alarms, text+".")
	}
	if !r.Complete() {
		h.Alarms = append(h.Alarms, fmt.Sprintf("The run is not complete: %d of %s measured. "+
			"Until all are, every verdict is inconclusive.", r.Measured,
			message.Count(r.Planned, "planned trial was", "planned trials were")))
	}
	h.Alarmed = h.Alarmed || len(h.Alarms) > 0
	return h
}

// maxQuoted is the number of decided claims that the headline quotes; of more it has the ids.
const maxQuoted = 4

// found returns what the claims came to.
func found(r report.Report) string {
	if r.Untested != nil {
		return "No claim was tested: " + wording.Reason(*r.Untested) + "."
	}
	ids := map[lab.Finding][]string{}
	var quoted []string
	for _, c := range r.Claims {
		ids[c.Finding] = append(ids[c.Finding], c.ID)
		if c.Finding == lab.Supported || c.Finding == lab.Refuted || c.Finding == lab.Depends {
			quoted = append(quoted, fmt.Sprintf("“%s” (%s) %s", strings.TrimSuffix(cmp.Or(c.Statement, c.ID), "."),
				c.ID, predicate(c.Finding, 1)))
		}
	}
	var parts []string
	if len(quoted) <= maxQuoted {
		parts = quoted
	} else {
		for _, f := range []lab.Finding{lab.Supported, lab.Refuted, lab.Depends} {
			if n := len(ids[f]); n > 0 {
				parts = append(parts,
					fmt.Sprintf("%d %s %s (%s)", n, plural(n, "claim", "claims"), predicate(f, n),
						strings.Join(ids[f], ", ")))
			}
		}
	}
	if open := ids[lab.Inconclusive]; len(open) > 0 {
		parts = append(parts,
			fmt.Sprintf("%d %s undecided (%s)", len(open), plural(len(open), "claim is", "claims are"),
				strings.Join(open, ", ")))
	}
	if n := len(ids[lab.NotEvaluated]); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s not evaluated", n, plural(n, "claim was", "claims were")))
	}
	if len(parts) == 0 {
		return "The run has no claims."
	}
	return strings.Join(parts, "; ") + "."
}

// predicate returns what n claims with a finding are or do.
func predicate(f lab.Finding, n int) string {
	if f == lab.Depends {
		return plural(n, "depends", "depend") + " on the configuration"
	}
	return plural(n, "is ", "are ") + findingWords[f]
}

// findingWords are the words for findings; "depends" alone is no predicate.
var findingWords = map[lab.Finding]string{
	lab.Supported: "supported", lab.Refuted: "refuted", lab.Depends: "depending on the configuration",
	lab.Inconclusive: "undecided", lab.NotEvaluated: "not evaluated",
}

// trust says whether the controls passed. alarmed is true unless they did.
func trust(r report.Report) (text string, alarmed bool) {
	if len(r.Controls) == 0 {
		return "Nothing checked the instrument: the run has no controls.", true
	}
	var passed, failed []string
	for _, c := range r.Controls {
		if c.Passed {
			passed = append(passed, c.Name)
		} else {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Sprintf("The instrument cannot be trusted: the %s failed (%s), so every verdict is "+
			"inconclusive.",
			plural(len(failed), "control", "controls"), strings.Join(failed, ", ")), true
	}
	return fmt.Sprintf("The instrument passed its %s (%s).", plural(len(passed), "control", "controls"),
		strings.Join(passed, ", ")), false
}

func plural(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}
