package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"runtimelab/lab"
	"runtimelab/lab/chart"
	"runtimelab/lab/page"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// printPage prints a page unless it could not be rendered.
func (a *app) printPage(text []byte, err error) error {
	if err != nil {
		return err
	}
	return a.printText(string(text))
}

// writeCharts writes each chart to a file in a folder, which it creates.
func writeCharts(dir string, charts []chart.Chart) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating %s for charts: %w", dir, err)
	}
	for _, c := range charts {
		path := filepath.Join(dir, c.Name+".svg")
		if err := renameio.WriteFile(path, []byte(c.File()), 0o644); err != nil {
			return fmt.Errorf("writing the chart %s: %w", path, err)
		}
	}
	return nil
}

// writePage writes the page of a run that has ended, and prints its path.
func (m *measurement) writePage(dir string, p lab.Plan) error {
	recorded, err := record.Read(dir)
	if err != nil {
		return err
	}
	recorded.Info.Plan = p
	text, err := page.Report(report.Read(recorded))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, record.PageFile)
	if err := renameio.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("writing the page %s: %w", path, err)
	}
	m.messagef("page with charts: %s", path)
	return nil
}
