package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/wording"
)

// verdictsFile is written at the end of a run.
const verdictsFile = "verdicts.csv"

// verdictsHeader holds the columns of verdicts.csv. A claim has one row with its verdict and
// reason, followed by one row for each of its hypotheses and for each phase of its promises.
var verdictsHeader = []string{
	"claim", "hypothesis", "scenario", "metric", "numerator", "denominator", "n_blocks",
	"ratio", "ci95_low", "ci95_high", "margin", "p_holm", "p_equivalence", "verdict", "reason", "collection",
	"n_kept", "kept95_low",
}

// WriteVerdicts writes or replaces verdicts.csv in one step. The topics that no load test can
// decide come last, with the reasons.
func (r *Run) WriteVerdicts(claims []lab.ClaimVerdict, topics []lab.UntestableTopic) error {
	rows := [][]string{verdictsHeader}
	for _, c := range claims {
		rows = append(rows, claimRow(c.ID, c.Finding, wording.Claim(c), c.Collection))
		for _, v := range c.HypothesisVerdicts {
			rows = append(rows, verdictRow(c.Claim, v))
		}
		for _, v := range c.PromiseVerdicts {
			rows = append(rows, promiseRows(c.Claim, v)...)
		}
	}
	for _, u := range topics {
		rows = append(rows, claimRow(u.Topic, lab.NotEvaluated, u.Reason, u.Collection))
	}
	text := csvLines(rows...)
	path := filepath.Join(r.dir, verdictsFile)
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	sum := sha256.Sum256(text)
	return r.Update(func(i *Info) {
		i.Files = maps.Clone(i.Files)
		i.Files[verdictsFile] = FileSum{Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
	})
}

// claimRow returns the row of a claim's verdict. The columns of a hypothesis are empty.
func claimRow(claim string, f lab.Finding, reason, collection string) []string {
	row := make([]string, len(verdictsHeader))
	last := row[len(row)-5:]
	row[0], last[0], last[1], last[2] = claim, string(f), reason, collection
	return row
}

// verdictRow returns the row of a hypothesis.
func verdictRow(claim lab.Claim, v lab.Verdict) []string {
	n := ""
	if v.Finding != lab.NotEvaluated {
		n = strconv.Itoa(v.Blocks)
	}
	return []string{
		claim.ID, v.Metric + " " + string(v.Direction), v.Scenario, v.Metric,
		v.Numerator.String(), v.Denominator.String(), n,
		formatDecimals(v.Ratio, 6), formatDecimals(v.Low, 6), formatDecimals(v.High, 6),
		formatDecimals(&v.Margin, 4), formatDecimals(v.PHolm, 9), formatDecimals(v.PEquivalence, 9),
		string(v.Finding), wording.Reasons(v.Reasons...), claim.Collection, "", "",
	}
}

// promiseRows returns the rows of a promise, one for each phase in which it was judged; or one with
// the reason, if it was judged in none.
func promiseRows(claim lab.Claim, v lab.PromiseVerdict) (rows [][]string) {
	word := "promise kept"
	if v.Broken {
		word = "promise broken"
	}
	row := func(arm, n string, f lab.Finding, reasons []lab.Reason, kept, low string) {
		rows = append(rows, []string{
			claim.ID, word, v.Scenario, v.LimitsText(), arm, v.HighestKeptBy, n, "", "", "", "", "", "",
			string(f), wording.Reasons(reasons...), claim.Collection, kept, low,
		})
	}
	for _, j := range v.Judged {
		row(v.Arm(j.Phase).String(), strconv.Itoa(len(j.Trials)), j.Finding, j.Reasons,
			strconv.Itoa(j.Count(lab.Kept)), formatDecimals(j.KeptShareLow, 6))
	}
	if len(v.Judged) == 0 {
		row(v.Arm(strings.Join(v.Phases, ", ")).String(), "", v.Finding, v.Reasons, "", "")
	}
	return rows
}

// formatDecimals formats a number with n decimals, or returns "" for nil.
func formatDecimals(x *float64, n int) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'f', n, 64)
}
