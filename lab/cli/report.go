package cli

import (
	"fmt"

	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

type reportCommand struct {
	Name     string `arg:"" optional:"" name:"run" help:"${run_help}"`
	Markdown bool   `help:"Print Markdown." xor:"form"`
	JSON     bool   `help:"Print JSON: controls, claims, figures." name:"json" xor:"form"`
}

// Run prints the tables of an earlier run. Failed controls and refuted claims do not
// change the exit code.
func (c *reportCommand) Run(a *app) error {
	dir, err := a.runDir(c.Name)
	if err != nil {
		return err
	}
	recorded, err := interruptible(a.ctx, func() (*record.StoredRun, error) { return record.Read(dir) })
	if err != nil {
		return err
	}
	for _, doubt := range recorded.Doubts {
		a.messagef("doubt: %s", doubt)
	}
	if state := recorded.Info.State; state != record.Done {
		a.messagef("this run is not complete: %s %s", state, recorded.Info.Reason)
	}
	p := recorded.Info.Plan
	// Outside of a checkout the report has only the ids of claims that were not recorded.
	if p.Claims == nil {
		if _, library, err := a.loadScripts(); err == nil {
			p = withClaims(p, library)
		}
	}
	recorded.Info.Plan = p
	r := report.Read(recorded)
	switch {
	case c.JSON:
		return a.printJSON(r)
	case c.Markdown:
		_, err = fmt.Fprint(a.Out, r.Markdown())
	default:
		_, err = fmt.Fprint(a.Out, r.Text())
	}
	return err
}
