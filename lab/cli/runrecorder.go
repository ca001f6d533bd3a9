package cli

import (
	"maps"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

// runRecorder records samples, refusals, the plan and raw hits in the folder of a run. It
// implements experiment.Recorder.
type runRecorder struct{ run *record.Run }

func (r runRecorder) RecordSamples(samples ...lab.Sample) error { return r.run.AddTrial(samples...) }

func (r runRecorder) RecordRefusals(why map[string]string) error {
	return r.run.Update(func(i *record.Info) {
		refused := maps.Clone(why)
		maps.Copy(refused, i.Refused)
		i.Refused = refused
	})
}

func (r runRecorder) RecordPlan(p lab.Plan) error {
	return r.run.Update(func(i *record.Info) { i.Plan = p })
}

func (r runRecorder) RecordHits(s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	_, err := r.run.AddHits(s, read)
	return err
}
