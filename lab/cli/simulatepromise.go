package cli

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"

	"runtimelab/lab"
	"runtimelab/lab/stat"
	"runtimelab/lab/table"
)

// simulatedPromise says how often a promise that a share of trials keeps is found kept.
type simulatedPromise struct {
	Profile string `json:"profile,omitempty"` // with this number of trials; empty with --blocks
	stat.ShareOutcome
	Limit  bool     `json:"limit,omitempty"` // the limits need not hold for this model
	Faults []string `json:"faults,omitempty"`
}

// simulatePromises simulates promises with the numbers of trials of sizes, for shares of
// trials that keep them: keptShares, and the share that a promise found kept is said to have
// at least, which is the hardest.
func simulatePromises(s stat.Simulation, sizes []simulatedRow) (all []simulatedPromise) {
	const alpha = 1 - lab.PromiseConfidence
	for _, size := range sizes {
		shares := append([]float64{}, keptShares...)
		shares = append(shares, math.Floor(1000*stat.ShareAtLeast(size.Blocks, size.Blocks, alpha))/1000)
		for _, model := range stat.ShareModels() {
			for _, share := range shares {
				p := simulatedPromise{
					Profile: size.Profile, Limit: model.OutOfScope,
					ShareOutcome: s.RunShare(model, share, size.Blocks, alpha),
				}
				if !model.OutOfScope {
					p.Faults = s.ShareViolations(p.ShareOutcome, alpha)
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// printSimulatedPromises prints a table of promises and its legend.
func printSimulatedPromises(w io.Writer, promises []simulatedPromise) error {
	models := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: 11}}}
	for _, m := range stat.ShareModels() {
		models.Row(m.Name, m.About)
	}
	var t table.Text
	t.Row("profile", "trials", "model", "true share", "found kept", "too sure")
	for _, p := range promises {
		t.Row(cmp.Or(p.Profile, "-"), strconv.Itoa(p.Trials), p.Model, fmt.Sprintf("%5.1f%%", 100*p.Share),
			fmt.Sprintf("%5.1f%%", 100*p.AllSucceeded), fmt.Sprintf("%5.1f%%", 100*p.TooSure))
	}
	_, err := fmt.Fprintf(w, `
Promises, which every trial must keep:

%s
%s
  true share  of all trials keep the promise
  found kept  every trial of the run kept it
  too sure    the share that the run says is kept at least lies above the true one: at most %.0f%%
`, models.String(), t.String(), 100*(1-lab.PromiseConfidence))
	if err != nil {
		return fmt.Errorf("writing the table of promises: %w", err)
	}
	return nil
}
