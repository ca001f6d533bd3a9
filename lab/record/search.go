package record

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// The columns of capacity.csv. searchIdentity and searchFigures are as in trials.csv; searchColumns
// describe a step. step counts from 1 within a search. limit names the part of the instrument that
// was at its limit, if it may have caused the miss.
var (
	searchIdentity = []string{"run_id", "scenario", "variant", "server_cpus", "block", "attempt", "phase"}
	searchColumns  = []string{"step", "stage", "offered_rps", "met", "missed", "limit"}
	searchFigures  = []string{"requests", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "throughput_rps"}
)

// addSearch writes the steps of a sample's search. It creates the file at the first search.
func (r *Run) addSearch(s lab.Sample) error {
	if s.Search == nil || len(s.Search.Steps) == 0 {
		return nil
	}
	if r.searches == nil {
		var header []string
		header = append(append(append(header, searchIdentity...), searchColumns...), searchFigures...)
		j, err := r.createTable(capacityFile, header)
		if err != nil {
			return err
		}
		r.searches = j
		if err := syncDir(r.dir); err != nil {
			return fmt.Errorf("syncing %s for %s: %w", r.dir, filepath.Base(j.path), err)
		}
	}
	return r.searches.append(csvLines(searchRows(s)...))
}

// searchRows returns one row for each step of a sample's search.
func searchRows(s lab.Sample) (rows [][]string) {
	p := s.Phase
	for i, step := range s.Search.Steps {
		s.Attack = step.Attack
		s.Phase = p
		s.Phase.RateRPS = step.OfferedRPS
		figures := metric.RowOf(s)
		var row []string
		for _, name := range searchIdentity {
			row = append(row, figures.Cell(name))
		}
		row = append(row, strconv.Itoa(i+1), string(step.Stage), figures.Cell("offered_rps"),
			strconv.FormatBool(step.SLOMet), strings.Join(step.MissedObjectives, ", "), step.InstrumentLimit)
		for _, name := range searchFigures {
			row = append(row, figures.Cell(name))
		}
		rows = append(rows, row)
	}
	return rows
}
