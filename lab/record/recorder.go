package record

import (
	"maps"

	"runtimelab/lab"
)

// Recorder records what an experiment measures in the folder of a run. It implements the Recorder
// of package experiment.
type Recorder struct{ Run *Run }

// RecordSamples writes the samples of a trial that has ended.
func (r Recorder) RecordSamples(samples ...lab.Sample) error { return r.Run.AddTrial(samples...) }

// RecordRefusals writes why variants are not measured, by variant id. An earlier reason of a
// variant stays.
func (r Recorder) RecordRefusals(why map[string]string) error {
	return r.Run.Update(func(i *Info) {
		refused := maps.Clone(why)
		maps.Copy(refused, i.Refused)
		i.Refused = refused
	})
}

// RecordPlan writes the plan with the peaks that its pilots found.
func (r Recorder) RecordPlan(p lab.Plan) error {
	return r.Run.Update(func(i *Info) { i.Plan = p })
}

// RecordHits writes the hits of a sample's attack, which read passes to each in chunks.
func (r Recorder) RecordHits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.Run.AddHits(s, read)
	return err
}
