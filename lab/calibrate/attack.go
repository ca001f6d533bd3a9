package calibrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// measurePeak returns the throughput of a fresh server on four connections, in requests
// per second.
func (c *Calibrator) measurePeak(ctx context.Context, v lab.Variant) (rate float64, err error) {
	err = c.withResponder(ctx, v, func(b ResponderCell) error {
		if _, err := b.Attack(ctx, c.closedLoopAttack("warm-up", warmUp/2, 4)); err != nil {
			return err
		}
		r, err := b.Attack(ctx, c.closedLoopAttack("peak", shortAttack, 4))
		rate = throughput(r.AttackResult)
		return err
	})
	return rate, err
}

// withResponder runs do with a responder in a fresh cell and closes the cell. The generator polls.
func (c *Calibrator) withResponder(ctx context.Context, v lab.Variant, do func(ResponderCell) error) error {
	return c.inFreshCell(ctx, v, false, do)
}

// inFreshCell does what withResponder does, for a generator that polls or waits in the kernel.
func (c *Calibrator) inFreshCell(
	ctx context.Context, v lab.Variant, generatorWaits bool, do func(ResponderCell) error,
) error {
	b, err := c.Instrument.OpenResponder(ctx, v, generatorWaits)
	if err != nil {
		return fmt.Errorf("calibrating against %s: %w", v.ID(), err)
	}
	err = do(b)
	if err != nil {
		err = fmt.Errorf("calibrating against %s: %w", v.ID(), err)
	}
	return errors.Join(err, b.Close(ctx))
}

func (c *Calibrator) closedLoopAttack(name string, lasts time.Duration, connections int) lab.Attack {
	return lab.Attack{
		Name:        "calibrate " + name,
		BaseURL:     c.Responders.BaseURL,
		Kind:        lab.Peak,
		Generator:   c.Generator,
		Targets:     []lab.Target{c.Responders.Target},
		Connections: connections,
		Duration:    lasts,
		Timeout:     requestTimeout,
	}
}

func (c *Calibrator) openLoopAttack(
	name string, rate float64, lasts time.Duration, arrivals lab.Arrivals,
) lab.Attack {
	a := c.closedLoopAttack(name, lasts, openConnections)
	a.Kind, a.Arrivals, a.Seed = lab.Steady, arrivals, 1
	a.Rate = []lab.Stage{{FromRPS: rate, ToRPS: rate, Duration: lasts}}
	return a
}

// throughput returns succeeded requests per second.
func throughput(r lab.AttackResult) float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Succeeded) / r.Elapsed.Seconds()
}

// generatorCPUPerHit returns the generator's CPU time for each hit, without idle polling.
func generatorCPUPerHit(w lab.Window) time.Duration {
	used := w.Accounts.Generator.CPU
	if used == nil || w.Attack.Sent == 0 {
		return 0
	}
	return max(*used-w.Attack.IdlePolling, 0) / time.Duration(w.Attack.Sent)
}

// window returns the window of an attack on a responder, without the responder's container.
func (c *Calibrator) window(o account.Observation, responder string, separateIRQTime bool) lab.Window {
	readings := account.Readings{Cell: o.CellReadings, Services: []account.ServiceReadings{
		{Role: lab.RoleServer, Name: responder, CPUs: c.Layout.Server},
	}}
	return lab.Window{
		Layout: c.Layout, Attack: o.AttackResult, Accounts: account.Between(readings, separateIRQTime),
	}
}
