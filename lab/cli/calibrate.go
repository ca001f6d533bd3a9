package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/agent"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/experiment"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/serve"
)

// briefProfile is the profile that a brief calibration is enough for.
const briefProfile = "smoke"

type calibrateCommand struct {
	Brief bool `help:"Only what validity is judged by: the generator's ceiling and the canaries (seconds)."`
	JSON  bool `help:"Print JSON." name:"json"`
}

// Run calibrates this machine, keeps the result and prints it.
func (c *calibrateCommand) Run(a *app) error {
	return a.inSession(a.ctx, image.Auto, func(s *session) error {
		calibration, err := s.calibrate(a.ctx, c.Brief)
		if err != nil {
			return err
		}
		if c.JSON {
			err = a.printJSON(calibration)
		} else {
			err = calibrate.WriteText(a.Out, calibration)
		}
		if err != nil {
			return err
		}
		for _, doubt := range calibration.Doubts {
			a.messagef("doubt: %s", doubt)
		}
		return nil
	})
}

// calibration is this machine's, measured anew where there is none that is fit
// for use.
func (s *session) calibration(ctx context.Context, brief bool) (lab.Calibration, error) {
	store, err := calibrate.UserStore()
	if err != nil {
		return lab.Calibration{}, err
	}
	found, why := store.Load(s.key(), brief, time.Now())
	if why == "" {
		return found, nil
	}
	s.app.messagef("calibrating: %s", why)
	return s.calibrate(ctx, brief)
}

// calibrate measures and keeps a calibration. A store that cannot be written
// to costs the next run its time, and this one nothing.
func (s *session) calibrate(ctx context.Context, brief bool) (lab.Calibration, error) {
	store, err := calibrate.UserStore()
	if err != nil {
		return lab.Calibration{}, err
	}
	takes := calibrate.FullDuration
	if brief {
		takes = calibrate.BriefDuration
	}
	s.app.messagef("calibrating the generator on CPUs %s and %s: about %v; run nothing else meanwhile",
		lab.CPUList(s.layout.Generator), lab.CPUList(s.layout.Server), takes)
	measuring := calibrate.Calibrator{
		Instrument: instrument{s},
		Responders: calibrate.Responders{
			Null: serve.Null(), WaitingServer: serve.Waiting(time.Millisecond), Reference: serve.Reference, Target: serve.Target(),
			BaseURL: experiment.BaseURL, CanaryIterations: agent.CanaryIterations,
		},
		Layout: s.layout,
		Logf:   s.app.messagef,
	}
	c, err := measuring.Run(ctx, brief)
	if err != nil {
		return c, err
	}
	c.Key, c.MeasuredAt = s.key(), time.Now().UTC()
	if err := store.Save(c); err != nil {
		c.Doubts = append(c.Doubts, err.Error())
	}
	return c, nil
}

func (s *session) key() lab.CalibrationKey {
	return lab.CalibrationKey{
		Host: record.HostOf(s.topology).ID, CPUModel: s.topology.CPUModel, Kernel: s.topology.Kernel, AgentSHA256: s.agentSum,
		Layout: lab.CPUList(s.layout.Generator) + "|" + lab.CPUList(s.layout.Server),
	}
}

// instrument is the session's generator, to be calibrated.
type instrument struct{ *session }

func (i instrument) RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	return i.lease.RunCanaries(ctx, cpus)
}

func (i instrument) OpenResponder(ctx context.Context, responder lab.Variant) (calibrate.ResponderCell,
	error,
) {
	c, err := i.cells().OpenCell(ctx, i.layout.Generator)
	if err != nil {
		return nil, err
	}
	b := &responderCell{cell: c}
	b.server, err = c.StartServer(ctx, responder, i.agent, i.layout.Server)
	if err == nil {
		_, err = c.AwaitFirstAnswer(ctx, serve.Target(), responderTimeout)
	}
	if err != nil {
		if b.server != nil {
			if how := b.server.ExitReason(ctx); how != "" {
				err = fmt.Errorf("%w; %s", err, how)
			}
		}
		return nil, errors.Join(err, b.Close(ctx))
	}
	return b, nil
}

// responderTimeout is how long a responder may take to give its first answer.
const responderTimeout = 30 * time.Second

// responderCell is a cell with one of the lab's own responders.
type responderCell struct {
	cell   experiment.Cell
	server experiment.Server
}

func (b *responderCell) Attack(ctx context.Context, a lab.Attack) (lab.AttackResult, error) {
	return b.cell.Attack(ctx, a)
}

func (b *responderCell) MedianServiceTime(ctx context.Context) (time.Duration, error) {
	told, err := experiment.ReadServiceTimes(ctx, b.cell)
	if err != nil {
		return 0, err
	}
	return told.Median, nil
}

func (b *responderCell) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var err error
	if b.server != nil {
		err = b.server.Remove(ctx)
	}
	return errors.Join(err, b.cell.Close(ctx))
}

var (
	_ calibrate.Instrument    = instrument{}
	_ calibrate.ResponderCell = (*responderCell)(nil)
)
