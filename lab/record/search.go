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
		j, err := r.createTable(CapacityFile, header)
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
	for i, step := range s.Search.Steps {
		var row []string
		for _, name := range searchIdentity {
			m, _ := metric.Find(name)
			row = append(row, m.Format(m.Extract(s)))
		}
		offered, _ := metric.Find("offered_rps")
		row = append(row, strconv.Itoa(i+1), string(step.Stage), offered.Format(metric.Number(step.OfferedRPS)),
			strconv.FormatBool(step.SLOMet), strings.Join(step.MissedObjectives, ", "), step.InstrumentLimit)
		for _, name := range searchFigures {
			m, _ := metric.Find(name)
			cell := ""
			if step.Window != nil {
				cell = m.Format(m.ExtractWindow(*step.Window))
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// SearchStep is one step of a search for a capacity, read back.
type SearchStep struct {
	Trial      lab.TrialID
	Phase      string
	Step       int // from 1
	Stage      lab.SearchStage
	OfferedRPS float64
	SLOMet     bool
	Missed     string // objectives that were not met, with the value
	Limit      string // part of the instrument that was at its limit
	P50MS      *float64
	P99MS      *float64
}

// EachSearchStep calls each for every row of capacity.csv. A run without a search has none.
func (r *StoredRun) EachSearchStep(each func(SearchStep) error) error {
	return r.eachRecord(CapacityFile, func(row *storedRecord) error {
		step := SearchStep{
			Trial: lab.TrialID{
				Scenario: row.text("scenario"), Variant: row.text("variant"), Cores: int(row.integer("server_cpus")),
				Block: int(row.integer("block")), Attempt: int(row.integer("attempt")),
			},
			Phase: row.text("phase"), Step: int(row.integer("step")), Stage: lab.SearchStage(row.text("stage")),
			SLOMet: row.text("met") == "true", Missed: row.text("missed"), Limit: row.text("limit"),
			P50MS: row.number("latency_p50_ms"), P99MS: row.number("latency_p99_ms"),
		}
		if offered := row.number("offered_rps"); offered != nil {
			step.OfferedRPS = *offered
		}
		return each(step)
	})
}
