package session

import (
	"context"
	"errors"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/agent"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/experiment"
	"runtimelab/lab/record"
	"runtimelab/lab/serve"
)

// Calibration returns the stored calibration of a generator on this machine. It measures a new one if
// none is stored, or the stored one is outdated.
func (s *Session) Calibration(
	ctx context.Context, generator lab.Generator, brief bool,
) (lab.Calibration, error) {
	store, err := calibrate.UserStore()
	if err != nil {
		return lab.Calibration{}, err
	}
	found, why := store.Load(s.calibrationKey(generator), brief, time.Now())
	if why == "" {
		return found, nil
	}
	s.logf("calibrating: %s", why)
	return s.Calibrate(ctx, generator, brief)
}

// Calibrate measures a calibration of a generator and stores it. A failure to store it is a doubt and
// no error: only the next run loses time, because it has to calibrate again.
func (s *Session) Calibrate(
	ctx context.Context, generator lab.Generator, brief bool,
) (lab.Calibration, error) {
	store, err := calibrate.UserStore()
	if err != nil {
		return lab.Calibration{}, err
	}
	duration := calibrate.FullDuration
	if brief {
		duration = calibrate.BriefDuration
	}
	s.logf("calibrating the generator %s on CPUs %s and %s: about %v; run nothing else meanwhile",
		generator, lab.CPUList(s.Layout.Generator), lab.CPUList(s.Layout.Server), duration)
	c, err := s.Calibrator(generator).Run(ctx, brief)
	if err != nil {
		return c, err
	}
	c.Key, c.MeasuredAt = s.calibrationKey(generator), time.Now().UTC()
	if err := store.Save(c); err != nil {
		c.Doubts = append(c.Doubts, err.Error())
	}
	return c, nil
}

// Calibrator returns what calibrates a generator with the session's cells.
func (s *Session) Calibrator(generator lab.Generator) *calibrate.Calibrator {
	return &calibrate.Calibrator{
		Instrument: instrument{s},
		Generator:  generator,
		Responders: calibrate.Responders{
			Null:             serve.Null(),
			WaitingServer:    serve.Waiting(time.Millisecond),
			Reference:        serve.Reference,
			Target:           serve.Target(),
			BaseURL:          experiment.BaseURL(lab.ServerPort),
			CanaryIterations: agent.CanaryIterations,
		},
		Layout: s.Layout,
		Logf:   s.logf,
	}
}

// calibrationKey returns what a calibration depends on: it is outdated if any of it has
// changed.
func (s *Session) calibrationKey(generator lab.Generator) lab.CalibrationKey {
	return lab.CalibrationKey{
		Host:        record.HostOf(s.Topology).ID,
		CPUModel:    s.Topology.CPUModel,
		Kernel:      s.Topology.Kernel,
		AgentSHA256: s.agentSum,
		Layout:      lab.CPUList(s.Layout.Generator) + "|" + lab.CPUList(s.Layout.Server),
		Generator:   generator,
	}
}

// instrument adapts a session to the interface that package calibrate measures.
type instrument struct{ *Session }

func (i instrument) RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	return i.lease.RunCanaries(ctx, cpus)
}

func (i instrument) OpenResponder(
	ctx context.Context, responder lab.Variant, generatorWaits bool,
) (calibrate.ResponderCell, error) {
	server := experiment.Server(responder, i.Agent)
	server.CPUs = lab.CPURequest{Count: len(i.Layout.Server), Pinned: i.Layout.Server}
	c, err := cells{run: i.run, lease: i.lease}.open(ctx, lab.CellRequest{
		Generator: lab.CPURequest{Count: len(i.Layout.Generator), Pinned: i.Layout.Generator},
		Services:  []lab.Service{server}, GeneratorWaits: generatorWaits,
	})
	if err != nil {
		return nil, err
	}
	b := &responderCell{cell: c}
	if _, err := c.AwaitFirstAnswer(ctx, serve.Target(), readyTimeout); err != nil {
		return nil, errors.Join(experiment.CauseInCell(ctx, c, err), b.Close(ctx))
	}
	return b, nil
}

// responderCell is a cell that runs one of the lab's responders.
type responderCell struct{ cell *cell }

func (b *responderCell) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	return b.cell.Attack(ctx, a)
}

func (b *responderCell) CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error) {
	r, err := b.cell.agent.CrossCheck(ctx, a)
	return r, b.cell.addAgentOutput(err)
}

func (b *responderCell) MedianServiceTime(ctx context.Context) (time.Duration, error) {
	times, err := experiment.ReadServiceTimes(ctx, b.cell)
	if err != nil {
		return 0, err
	}
	return times.Median, nil
}

func (b *responderCell) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return b.cell.Close(ctx)
}

var (
	_ calibrate.Instrument    = instrument{}
	_ calibrate.ResponderCell = (*responderCell)(nil)
)
