package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/agent"
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
)

// cells gives the experiment the engine's cells with an agent to talk to. The
// agent in the run's lease may use every CPU, and is where canaries sing.
type cells struct {
	run   *engine.Run
	lease *agent.Client
}

func (c cells) Canary(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	return c.lease.Canary(ctx, cpus)
}

func (c cells) OpenCell(ctx context.Context, cpus []int) (experiment.Cell, error) {
	opened, err := c.run.OpenCell(ctx, cpus)
	if err != nil {
		return nil, err
	}
	return &cell{Cell: opened, agent: agent.NewClient(opened, opened)}, nil
}

type cell struct {
	*engine.Cell
	agent *agent.Client
}

func (c *cell) StartServer(ctx context.Context, v lab.Variant, image lab.Image, cpus []int) (experiment.Server, error) {
	s, err := c.Cell.StartServer(ctx, v, image, cpus)
	if s == nil {
		return nil, err // not a nil *Server in the interface
	}
	return s, err
}

func (c *cell) Await(ctx context.Context, t lab.Target, patience time.Duration) (time.Time, error) {
	at, err := c.agent.Await(ctx, agent.Awaited{BaseURL: experiment.BaseURL, Target: t, Patience: patience})
	return at, c.explain(err)
}

func (c *cell) Check(ctx context.Context, requests []lab.Request) ([]lab.Answer, error) {
	answers, err := c.agent.Check(ctx, experiment.BaseURL, requests)
	return answers, c.explain(err)
}

func (c *cell) Attack(ctx context.Context, a lab.Attack) (lab.AttackResult, error) {
	result, err := c.agent.Attack(ctx, a)
	return result, c.explain(err)
}

func (c *cell) Hits(ctx context.Context, each func([]lab.Hit) error) error {
	return c.explain(c.agent.Hits(ctx, each))
}

// explain adds what the agent complained of, which is how one that ended says
// why.
func (c *cell) explain(err error) error {
	if err == nil {
		return nil
	}
	if complaints := strings.TrimSpace(c.Complaints()); complaints != "" {
		return fmt.Errorf("%w; the agent said: %s", err, complaints)
	}
	return err
}

var (
	_ experiment.Cells  = cells{}
	_ experiment.Server = (*engine.Server)(nil)
)
