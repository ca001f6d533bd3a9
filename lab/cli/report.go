package cli

import (
	"runtimelab/lab/page"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/table"
)

type reportCommand struct {
	Name     string `arg:"" optional:"" name:"run" help:"${run_help}"`
	Full     bool   `help:"Print every hypothesis, all figures, reasons and doubts." xor:"form"`
	Markdown bool   `help:"Print Markdown, for a pull request or a summary of a job." xor:"form"`
	JSON     bool   `help:"Print JSON: all values of trials, verdicts and reasons." name:"json" xor:"form"`
	HTML     bool   `help:"${report_html_help}" name:"html" xor:"form"`
	SVG      string `help:"${report_svg_help}" name:"svg" placeholder:"DIR" xor:"form"`
}

// Run prints the report of an earlier run. Failed controls and refuted claims do not
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
		a.messagef("this run is not complete: %s %s", state, table.OneLine(recorded.Info.Reason))
	}
	p := recorded.Info.Plan
	// Outside of a checkout the report has only the ids of claims that were not recorded.
	if p.Claims == nil {
		if _, library, err := a.loadScripts(); err == nil {
			p = withClaims(p, library)
		}
	}
	recorded.Info.Plan = p
	switch {
	case c.JSON:
		return a.printJSON(report.Read(recorded))
	case c.HTML:
		return a.printPage(page.Report(report.Read(recorded)))
	case c.SVG != "":
		return writeCharts(c.SVG, page.Charts(report.Read(recorded)))
	case c.Markdown:
		return a.printText(report.ReadRows(recorded).Markdown())
	case c.Full:
		return a.printText(report.ReadRows(recorded).FullText())
	}
	return a.printText(report.ReadRows(recorded).Text())
}
