package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// Source is a run to read.
type Source struct {
	Label string
	Info  *record.Info                  // of run.json; nil without one
	Open  func() (io.ReadCloser, error) // opens trials.csv; called twice if rows are out of order
}

// Run holds the moments of a run's groups. Its rows are not kept.
type Run struct {
	Label  string
	Info   *record.Info
	Rows   int
	Doubts []lab.Reason // what could not be read

	gaps        gaps
	runs, hosts distinctValues
	schema      int64                      // version of the columns
	scripts     map[string]*distinctValues // hash and parameters, by scenario
	images      map[string]*distinctValues // hash of the content, by variant
	groups      map[Key]*group
}

// ID returns the run's id, empty if its rows have none.
func (r *Run) ID() string { return r.runs.String() }

// Host returns the id of the machine that measured, empty if the rows have none.
func (r *Run) Host() string { return r.hosts.String() }

// keys returns all keys of the run in the order of reports.
func (r *Run) keys() []Key {
	keys := make([]Key, 0, len(r.groups))
	for k := range r.groups {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// Read reads runs, in parallel on several CPUs. Of a run that the lab wrote it keeps no rows.
// A file whose rows are not in the order of blocks is read a second time, with one row of
// each block in memory. Errors name the source and the line.
func Read(ctx context.Context, sources []Source, selection Selection) ([]*Run, error) {
	runs := make([]*Run, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, source := range sources {
		group.Go(func() (err error) {
			if runs[i], err = readOne(ctx, source, selection); err != nil {
				err = fmt.Errorf("reading %s: %w", source.Label, err)
			}
			return err
		})
	}
	return runs, group.Wait()
}

func readOne(ctx context.Context, source Source, selection Selection) (*Run, error) {
	run, err := readRows(ctx, source, selection, true)
	if errors.Is(err, errOutOfOrder) {
		run, err = readRows(ctx, source, selection, false)
	}
	if err != nil {
		return nil, err
	}
	if run.Rows == 0 {
		return nil, &fault.Error{
			Code: fault.ExitUsage, Err: errors.New("the file has no rows"),
			Hint: "compare runs that measured something",
		}
	}
	return run, nil
}

func readRows(ctx context.Context, source Source, selection Selection, ordered bool) (*Run, error) {
	in, err := source.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows, err := record.NewRowReader(in)
	if err != nil {
		return nil, err
	}
	r := newRunReader(source, selection, ordered)
	r.run.gaps.columns = rows.Missing(neededColumns...)
	err = rows.EachBound(r.columns(), func() error {
		if r.run.Rows%10_000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return r.add()
	})
	if err != nil {
		return nil, err
	}
	r.finish()
	r.run.schema = rows.SchemaVersion()
	if r.run.schema < metric.GeneratorSchema { // their rows are all by one generator
		r.run.gaps.columns = slices.DeleteFunc(r.run.gaps.columns,
			func(name string) bool { return name == generatorColumn })
	}
	for _, text := range rows.Doubts() {
		r.run.Doubts = append(r.run.Doubts, lab.Reason{Kind: lab.DataIgnored, Subject: r.run.Label, Text: text})
	}
	if names := rows.Missing(selection.Names()...); len(names) > 0 {
		r.run.Doubts = append(r.run.Doubts,
			lab.Reason{Kind: lab.MetricsNotCompared, Subject: r.run.Label, Names: names})
	}
	return r.run, nil
}
