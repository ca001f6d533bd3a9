package report

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// ReadRows returns the report of a run with the facts of its run.json. It reads no other file: what text
// and Markdown show follows from the rows.
func ReadRows(run *record.StoredRun) Report {
	r := New(run.Info.Plan, run.Rows, run.MeasuredTrials(), run.Info.Calibration.CrossChecks...)
	r.RunID, r.HostID = cmp.Or(r.RunID, run.Info.RunID), cmp.Or(r.HostID, run.Info.Host.ID)
	r.Run = facts(run)
	return r
}

// Read returns what ReadRows does, with the files of latencies, seconds and searches, which charts and
// JSON show. Reading them takes most of the time. A file that cannot be read becomes a doubt.
func Read(run *record.StoredRun) Report {
	r := ReadRows(run)
	phases := phasesOf(run.Rows)
	for _, file := range []struct {
		name string
		read func() error
	}{
		{record.HistogramsFile, func() error { return r.readHistograms(run, phases) }},
		{record.TimelineFile, func() error { return r.readTimeline(run) }},
		{record.CapacityFile, func() error { return r.readSearches(run, phases) }},
	} {
		if err := file.read(); err != nil {
			r.Doubts = append(r.Doubts, lab.Reason{Kind: lab.UnreadableFile, Subject: file.name, Text: err.Error()})
		}
	}
	return r
}

// facts returns what ran, when and where.
func facts(run *record.StoredRun) *Run {
	i := run.Info
	f := &Run{
		Schema: i.SchemaVersion, State: string(i.State), Reason: i.Reason, StartedAt: i.StartedAt,
		EndedAt: i.EndedAt, Host: i.Host.Topology, Engine: i.Engine,
		Choices:  Choices{Profile: i.Plan.Profile.Name, Seed: i.Seed, Generator: i.Plan.Generator},
		Versions: i.Versions, Refused: i.Refused, Notes: i.Notes, Variants: []Variant{},
		Layouts: append([]lab.Layout{i.Plan.Layout}, i.Plan.WiderLayouts...),
	}
	versions := map[string]string{}
	for _, row := range run.Rows {
		if v := row.Text("runtime_version"); v != "" {
			versions[row.Text("variant")] = v
		}
	}
	for _, id := range slices.Sorted(maps.Keys(i.MeasuredVariants)) {
		image := i.MeasuredVariants[id].Image
		f.Variants = append(f.Variants, Variant{
			ID: id, Version: versions[id], ContentSHA256: image.ContentSHA256, ImageID: image.ID,
			BaseOrigin: image.BaseOrigin,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(i.Services)) {
		service := i.Services[name]
		f.Services = append(f.Services, Service{
			Name: name, Role: service.Role, ContentSHA256: service.Image.ContentSHA256,
			ImageID: service.Image.ID, BaseOrigin: service.Image.BaseOrigin,
		})
	}
	return f
}

// phaseID identifies a phase of a trial.
type phaseID struct {
	trial lab.TrialID
	name  string
}

// phasesOf returns the rows of phases.
func phasesOf(rows []metric.Row) map[phaseID]metric.Row {
	phases := map[phaseID]metric.Row{}
	for _, row := range rows {
		phases[phaseID{row.TrialID(), row.Text("phase")}] = row
	}
	return phases
}

// shares are those of the requests for which a Distribution has quantiles: seven for each nine.
var shares = func() (all []float64) {
	for tail := 1.0; tail > 1e-7; tail /= 10 {
		for _, part := range []float64{1, 0.75, 0.5, 0.35, 0.25, 0.2, 0.15} {
			all = append(all, math.Round((1-tail*part)*1e9)/1e9) // 0.99, and not a little less
		}
	}
	return all
}()

// minBeyond is the number of samples beyond a quantile, as for the columns of trials.csv.
const minBeyond = 10

// readHistograms reads the distribution of each measured phase: from the intended send time in an
// open loop, and from the actual one in a closed loop, which has no schedule.
func (r *Report) readHistograms(run *record.StoredRun, phases map[phaseID]metric.Row) error {
	skipped, err := run.EachHistogram([]string{"corrected", "raw"}, func(h record.Histogram) error {
		row := phases[phaseID{h.Trial, h.Phase}]
		open := traits(row).Pacing == lab.OpenLoop
		if h.Kind == "corrected" && open || h.Kind == "raw" && !open {
			r.Latencies = append(r.Latencies, Distribution{
				TrialID: h.Trial, Phase: h.Phase, FromIntendedSend: open, OfferedRPS: number(row, "offered_rps"),
				Validity: validity(row), Count: h.TotalCount(), Quantiles: quantiles(h),
			})
		}
		return nil
	})
	if skipped > 0 {
		r.Doubts = append(r.Doubts, lab.Reason{
			Kind: lab.UnmatchedHistograms, Subject: record.HistogramsFile, Count: skipped,
		})
	}
	return err
}

// quantiles returns those quantiles that have enough samples beyond them.
func quantiles(h record.Histogram) []Quantile {
	const rounding = 1e-6 // a thousandth of 10 000 is a little less than ten
	out := []Quantile{}
	for _, share := range shares {
		if float64(h.TotalCount())*(1-share) < minBeyond-rounding {
			break
		}
		out = append(out, Quantile{Share: share, MS: float64(h.ValueAtPercentile(100*share)) / 1e6})
	}
	return out
}

// readTimeline reads the seconds of each attack.
func (r *Report) readTimeline(run *record.StoredRun) error {
	attacks := map[phaseID]int{}
	return run.EachSecond(func(s record.Second) error {
		id := phaseID{s.Trial, s.Phase}
		i, known := attacks[id]
		if !known {
			i = len(r.Timeline)
			attacks[id] = i
			r.Timeline = append(r.Timeline, Timeline{TrialID: s.Trial, Phase: s.Phase, Mode: s.Mode})
		}
		r.Timeline[i].Seconds = append(r.Timeline[i].Seconds,
			Second{s.Second, s.Sent, s.Succeeded, s.Failed, s.P50MS, s.P99MS})
		return nil
	})
}

// readSearches reads the steps of the searches for capacities.
func (r *Report) readSearches(run *record.StoredRun, phases map[phaseID]metric.Row) error {
	return run.EachSearchStep(func(s record.SearchStep) error {
		r.Loads = append(r.Loads, LoadPoint{
			TrialID: s.Trial, Phase: s.Phase, Step: s.Step, Stage: string(s.Stage), OfferedRPS: s.OfferedRPS,
			P50MS: s.P50MS, P99MS: s.P99MS, SLOMet: &s.SLOMet, Validity: validity(phases[phaseID{s.Trial, s.Phase}]),
		})
		return nil
	})
}
