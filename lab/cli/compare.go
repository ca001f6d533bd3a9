package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
)

type compareCommand struct {
	Old string   `arg:"" help:"The run to compare with: an id under results/, a folder, or a trials.csv, also as other programs save it; label=RUN names it."`
	New []string `arg:"" help:"Runs to compare with it, each for itself."`

	Metric     []string `help:"Compare this column of trials.csv, in every phase that has it (repeatable). Default: the few that each phase is there for." placeholder:"NAME"`
	AllMetrics bool     `help:"Compare every metric of which more is better, or less."`
	Threshold  float64  `help:"The difference that matters in practice: at 0.05 a ratio from 0.95 to 1/0.95 does not." default:"0.05" placeholder:"T"`
	Ignore     []string `help:"Compare although these differ (identity: are not known): identity, host, image, script, load, reference." placeholder:"KIND,..."`
	FailOn     string   `help:"regression: exit with 3 when a line is worse." placeholder:"WHAT"`

	JSON     bool `help:"Print JSON." name:"json" xor:"form"`
	CSV      bool `help:"Print CSV: a row for each line." name:"csv" xor:"form"`
	Markdown bool `help:"Print Markdown." xor:"form"`
}

// failOnRegression is what --fail-on can name.
const failOnRegression = "regression"

// Run compares runs, and starts nothing.
func (c *compareCommand) Run(a *app) error {
	ignore, err := c.check()
	if err != nil {
		return err
	}
	which, err := c.selection()
	if err != nil {
		return err
	}
	sources, folders, err := c.sources(a)
	if err != nil {
		return err
	}
	runs, err := compare.Read(a.ctx, sources, which)
	if err != nil {
		return err
	}
	if err := compare.CheckComparable(runs[0], runs[1:], ignore); err != nil {
		return err
	}
	others, err := a.historyRuns(folders, runs, which)
	if err != nil {
		return err
	}
	var comparisons []compare.Comparison
	for _, run := range runs[1:] {
		comparisons = append(comparisons, compare.Compare(runs[0], run, c.Threshold, others...))
	}
	if err := c.print(a, comparisons); err != nil {
		return err
	}
	return c.checkFailOn(a, comparisons)
}

// sources are the runs that are compared, and the folders that they lie in.
func (c *compareCommand) sources(a *app) (sources []compare.Source, folders []string, err error) {
	var once streams
	for _, name := range append([]string{c.Old}, c.New...) {
		source, dir, err := a.resolveSource(name, &once)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, source)
		if source.Info != nil {
			folders = append(folders, filepath.Dir(dir))
		}
	}
	return sources, folders, nil
}

// check reads what needs no file.
func (c *compareCommand) check() ([]compare.DifferenceKind, error) {
	if c.Threshold <= 0 || c.Threshold >= 1 {
		return nil, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("--threshold is %v, want more than 0 and less than 1", c.Threshold), Hint: "0.05 is 5 %",
		}
	}
	if c.FailOn != "" && c.FailOn != failOnRegression {
		return nil, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("--fail-on %q: unknown; %s", c.FailOn, lab.Suggest(c.FailOn, []string{failOnRegression})),
			Hint: "--fail-on regression exits with 3 when a line is worse",
		}
	}
	return compare.ParseKinds(c.Ignore)
}

func (c *compareCommand) selection() (compare.Selection, error) {
	switch {
	case c.AllMetrics && len(c.Metric) > 0:
		return compare.Selection{}, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  errors.New("--all-metrics takes no --metric beside it"), Hint: "Leave out one of them.",
		}
	case c.AllMetrics:
		return compare.AllMetrics(), nil
	case len(c.Metric) > 0:
		return compare.SelectMetrics(c.Metric...)
	}
	return compare.DefaultMetrics(), nil
}

// resolveSource is a run as people give it: label=RUN, where RUN is what record.Resolve
// takes, or the path of a trials.csv; and its folder.
func (a *app) resolveSource(name string, once *streams) (source compare.Source, dir string, err error) {
	label, path, named := strings.Cut(name, "=")
	if _, err := os.Stat(name); !named || err == nil {
		label, path = name, name
	}
	file := path
	dir = filepath.Dir(path)
	source.Label = label
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		if source.Open, err = once.open(a, path, info); err != nil {
			return source, "", err
		}
	} else {
		if dir, err = record.ResolveRun(a.results(), path); err != nil {
			return source, "", err
		}
		file = filepath.Join(dir, record.TrialsFile)
		source.Open = func() (io.ReadCloser, error) { return os.Open(file) }
	}
	if filepath.Base(file) != record.TrialsFile {
		return source, dir, nil
	}
	if _, err := os.Stat(filepath.Join(dir, record.InfoFile)); err != nil {
		return source, dir, nil // a file alone says all but the host's noise
	}
	info, err := record.ReadInfo(dir)
	return folderSource(label, dir, &info), dir, err
}

// folderSource is a run by its folder.
func folderSource(label, dir string, info *record.Info) compare.Source {
	return compare.Source{Label: label, Info: info, Open: func() (io.ReadCloser, error) {
		return os.Open(filepath.Join(dir, record.TrialsFile))
	}}
}

// results is the folder of runs: the checkout's, or one right here.
func (a *app) results() string {
	root, err := a.rootDir()
	if err != nil {
		root = "."
	}
	return filepath.Join(root, "results")
}

func (c *compareCommand) print(a *app, comparisons []compare.Comparison) error {
	switch {
	case c.JSON:
		return a.printJSON(map[string]any{"comparisons": comparisons})
	case c.CSV:
		return a.print(string(compare.CSV(comparisons)))
	}
	var parts []string
	for _, comparison := range comparisons {
		if c.Markdown {
			parts = append(parts, comparison.Markdown())
		} else {
			parts = append(parts, comparison.Text())
		}
	}
	return a.print(strings.Join(parts, "\n"))
}

// print writes data.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.Out, text); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// checkFailOn fails on what the user asked to fail on. What could not be judged is no
// pass, and is said.
func (c *compareCommand) checkFailOn(a *app, comparisons []compare.Comparison) error {
	if c.FailOn == "" {
		return nil
	}
	var worse []string
	open := 0
	for _, comparison := range comparisons {
		open += comparison.Count(compare.TooFewTrials) + comparison.Count(compare.Undecided)
		for _, l := range comparison.WorseLines() {
			worse = append(worse, fmt.Sprintf("%s: %s %s", comparison.New.Label, l.Key, l.Metric))
		}
	}
	if open > 0 {
		a.messagef("%s could not be decided: of these it is not known whether they are worse",
			plural(open, "line", "lines"))
	}
	if len(worse) == 0 {
		return nil
	}
	return &lab.Fault{
		Code: lab.ExitFailOn,
		Err:  fmt.Errorf("%s worse:\n  %s", plural(len(worse), "line is", "lines are"), strings.Join(worse, "\n  ")),
	}
}
