package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"runtimelab/lab/archive"
	"runtimelab/lab/compare"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/page"
	"runtimelab/lab/record"
)

type compareCommand struct {
	Old string   `arg:"" help:"${compare_old_help}"`
	New []string `arg:"" help:"Runs to compare with OLD, each on its own."`

	Metric     []string `help:"${compare_metric_help}" placeholder:"NAME"`
	AllMetrics bool     `help:"Compare every metric that has a better direction."`
	Threshold  float64  `help:"${compare_threshold_help}" default:"0.05" placeholder:"T"`
	Ignore     []string `help:"${compare_ignore_help}" placeholder:"KIND,..."`
	FailOn     string   `help:"regression: exit with 3 if a line is worse." placeholder:"WHAT"`

	JSON     bool `help:"Print JSON." name:"json" xor:"form"`
	CSV      bool `help:"Print CSV: a row for each line." name:"csv" xor:"form"`
	Markdown bool `help:"Print Markdown." xor:"form"`
	HTML     bool `help:"Print a page with charts." name:"html" xor:"form"`
}

// failOnRegression is the only value of --fail-on.
const failOnRegression = "regression"

// Run compares runs and prints the comparisons. It needs no engine.
func (c *compareCommand) Run(a *app) error {
	ignore, err := c.checkFlags()
	if err != nil {
		return err
	}
	which, err := c.selectMetrics()
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
	others, err := a.readHistory(folders, runs, which)
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

// sources returns the runs to compare, the old one first, and the folders that contain
// their folders.
func (c *compareCommand) sources(a *app) (sources []compare.Source, folders []string, err error) {
	var inputs compare.Inputs
	for _, name := range append([]string{c.Old}, c.New...) {
		source, dir, err := a.resolveSource(name, &inputs)
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

// checkFlags checks the flags that need no file, and returns the differences to ignore.
func (c *compareCommand) checkFlags() ([]compare.DifferenceKind, error) {
	if c.Threshold <= 0 || c.Threshold >= 1 {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("--threshold is %v, want more than 0 and less than 1", c.Threshold), Hint: "0.05 is 5 %",
		}
	}
	if c.FailOn != "" && c.FailOn != failOnRegression {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err: fmt.Errorf("--fail-on %q: unknown; %s", c.FailOn,
				message.Suggest(c.FailOn, []string{failOnRegression})),
			Hint: "--fail-on regression exits with 3 if a line is worse",
		}
	}
	return compare.ParseKinds(c.Ignore)
}

// selectMetrics returns the metrics to compare, from --metric and --all-metrics.
func (c *compareCommand) selectMetrics() (compare.Selection, error) {
	switch {
	case c.AllMetrics && len(c.Metric) > 0:
		return compare.Selection{}, &fault.Error{
			Code: fault.ExitUsage,
			Err:  errors.New("--all-metrics and --metric cannot be combined"), Hint: "remove one of them",
		}
	case c.AllMetrics:
		return compare.AllMetrics(), nil
	case len(c.Metric) > 0:
		return compare.SelectMetrics(c.Metric...)
	}
	return compare.DefaultMetrics(), nil
}

// resolveSource finds the run of an argument RUN or label=RUN, where RUN is what
// archive.Resolve takes, or the path of a trials.csv. It also returns the run's folder.
func (a *app) resolveSource(
	name string, inputs *compare.Inputs,
) (source compare.Source, dir string, err error) {
	label, path, labelled := strings.Cut(name, "=")
	if _, err := os.Stat(name); !labelled || err == nil {
		label, path = name, name
	}
	file := path
	dir = filepath.Dir(path)
	source.Label = label
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		if source.Open, err = inputs.Open(a.ctx, path, info); err != nil {
			return source, "", err
		}
	} else {
		if dir, err = archive.Resolve(a.resultsFolder(), path); err != nil {
			return source, "", err
		}
		file = filepath.Join(dir, record.TrialsFile)
		source.Open = func() (io.ReadCloser, error) { return os.Open(file) }
	}
	if filepath.Base(file) != record.TrialsFile {
		return source, dir, nil
	}
	if _, err := os.Stat(filepath.Join(dir, record.InfoFile)); err != nil {
		return source, dir, nil // only the noise of the host needs run.json
	}
	info, err := record.ReadInfo(dir)
	return compare.FolderSource(label, dir, &info), dir, err
}

// maxHistoryBytes bounds the bytes of trials.csv that a comparison reads of other runs:
// reading them takes a second at most.
const maxHistoryBytes = 64 << 20

// readHistory reads other runs, from which the variance between runs is estimated. It
// looks in the results folder and in folders, and takes the newest first.
func (a *app) readHistory(
	folders []string, compared []*compare.Run, which compare.Selection,
) (others []*compare.Run, err error) {
	seen := map[string]bool{}
	var like *record.Info
	for _, run := range compared {
		seen[run.ID()] = true
		like = cmp.Or(like, run.Info)
	}
	usable := func(info *record.Info) bool { return compare.UsableAsHistory(info, like) }
	bytesLeft := int64(maxHistoryBytes)
	for _, r := range archive.Find(append([]string{a.resultsFolder()}, folders...), usable) {
		if seen[r.Info.RunID] || r.Bytes > bytesLeft || len(others) == archive.MaxRuns {
			continue
		}
		seen[r.Info.RunID] = true
		source := compare.FolderSource(r.Info.RunID, r.Dir, &r.Info)
		runs, err := compare.Read(a.ctx, []compare.Source{source}, which)
		switch {
		case a.ctx.Err() != nil:
			return nil, context.Cause(a.ctx)
		case err != nil:
			a.messagef("skipped an earlier run: %v", err)
			continue
		}
		bytesLeft -= r.Bytes
		others = append(others, runs...)
	}
	return others, nil
}

func (c *compareCommand) print(a *app, comparisons []compare.Comparison) error {
	switch {
	case c.JSON:
		return a.printJSON(map[string]any{"comparisons": comparisons})
	case c.CSV:
		return a.printText(string(compare.CSV(comparisons)))
	case c.HTML:
		return a.printPage(page.Comparisons(comparisons))
	}
	var parts []string
	for _, comparison := range comparisons {
		if c.Markdown {
			parts = append(parts, comparison.Markdown())
		} else {
			parts = append(parts, comparison.Text())
		}
	}
	return a.printText(strings.Join(parts, "\n"))
}

// printText writes data to standard output.
func (a *app) printText(text string) error {
	if _, err := io.WriteString(a.Out, text); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// checkFailOn returns an error if --fail-on applies. It reports how many lines are
// undecided, because they may be worse too.
func (c *compareCommand) checkFailOn(a *app, comparisons []compare.Comparison) error {
	if c.FailOn == "" {
		return nil
	}
	var worse []string
	undecided := 0
	for _, comparison := range comparisons {
		undecided += comparison.Count(compare.TooFewTrials) + comparison.Count(compare.Undecided)
		for _, l := range comparison.WorseLines() {
			worse = append(worse, fmt.Sprintf("%s: %s %s", comparison.New.Label, l.Key, l.Metric))
		}
	}
	if undecided > 0 {
		a.messagef("%s undecided, and may be worse", message.Count(undecided, "line is", "lines are"))
	}
	if len(worse) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitFailOn,
		Err: fmt.Errorf("%s worse:\n  %s", message.Count(len(worse), "line is", "lines are"),
			strings.Join(worse, "\n  ")),
	}
}
