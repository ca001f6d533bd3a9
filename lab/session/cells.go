package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/agent"
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
)

// Cells returns what opens the cells of an experiment on the session's engine.
func (s *Session) Cells() experiment.Cells { return cells{s.run, s.lease, s.Agent} }

// cells adds an agent to the engine's cells. Canaries run in the lease's agent, which may
// use every CPU.
type cells struct {
	run   engine.Run
	lease *Lease
	agent lab.Image
}

func (c cells) RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	return c.lease.RunCanaries(ctx, cpus)
}

func (c cells) CheckEngine(ctx context.Context) error { return c.run.CheckLease(ctx) }

func (c cells) Open(ctx context.Context, request lab.CellRequest) (experiment.Cell, error) {
	opened, err := c.open(ctx, request)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// open opens a cell with its agent.
func (c cells) open(ctx context.Context, request lab.CellRequest) (*cell, error) {
	if request.GeneratorWaits { // first: it must not start while the server does
		request.Services = slices.Insert(slices.Clone(request.Services), 0, idleLoop(request.Generator, c.agent))
	}
	var opening *cell
	opened, err := c.run.Open(ctx, request, func(ctx context.Context, d engine.Cell, s lab.Service) error {
		if opening == nil {
			opening = newCell(d, request)
		}
		return opening.awaitReady(ctx, s)
	})
	switch {
	case opened == nil:
		return nil, err
	case opening == nil:
		opening = newCell(opened, request)
	}
	if err != nil {
		return nil, errors.Join(experiment.CauseInCell(ctx, opening, err), opening.closeAfterError(ctx))
	}
	return opening, nil
}

type cell struct {
	engine.Cell
	agent   *agent.Client
	baseURL string // of the server

	toldServices bool // the agent knows the services
}

// newCell adds an agent to a cell whose generator has started.
func newCell(d engine.Cell, request lab.CellRequest) *cell {
	c := &cell{Cell: d, agent: agent.NewClient(fault.Generator, d, d)}
	for _, s := range request.Services {
		if s.Role.Traits().Measured {
			c.baseURL = experiment.BaseURL(s.Port)
		}
	}
	return c
}

// readyTimeout bounds the time from the start of a service until it is ready.
const readyTimeout = 30 * time.Second

// awaitReady waits until a service is ready, or until one of the cell ends.
func (c *cell) awaitReady(ctx context.Context, s lab.Service) error {
	if s.Ready == nil {
		return nil
	}
	whileAllRun, stop := experiment.UntilAServiceEnds(ctx, c)
	defer stop()
	_, err := c.agent.AwaitFirstAnswer(whileAllRun, agent.AwaitRequest{
		BaseURL: experiment.BaseURL(s.Port), Ready: s.Ready, Timeout: readyTimeout,
	})
	if err != nil {
		err = fmt.Errorf("waiting until %s is ready: %w", s.Title(), c.addAgentOutput(err))
	}
	return fault.During(ctx, fault.Party{Role: string(s.Role), Name: s.Name}, err)
}

// closeTimeout limits how long a cell may take to close after an error.
const closeTimeout = 30 * time.Second

// closeAfterError closes a cell even if ctx has ended.
func (c *cell) closeAfterError(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return fault.By(fault.Engine, c.Close(ctx))
}

// Services returns the services without the idle loop, which is a part of the generator.
func (c *cell) Services() (all []experiment.Service) {
	for _, s := range c.Cell.Services() {
		if !s.Spec().Role.Traits().Idle {
			all = append(all, &service{Service: s, cell: c})
		}
	}
	return all
}

// service asks a service of the engine through the agent of its cell.
type service struct {
	engine.Service
	cell *cell
}

func (s *service) Calls(ctx context.Context) (*int64, error) {
	spec := s.Spec()
	if spec.CallCount == nil {
		return nil, nil
	}
	answers, err := s.cell.agent.Send(ctx, experiment.BaseURL(spec.Port), []lab.Request{*spec.CallCount})
	if err != nil {
		return nil, s.cell.addAgentOutput(err)
	}
	var calls lab.CallCount
	if err := json.Unmarshal(answers[0].Body, &calls); err != nil {
		return nil, fmt.Errorf("reading the count of calls of %s (%q %s): %w",
			spec.Name, answers[0].Body, answers[0].Error, err)
	}
	return &calls.Count, nil
}

func (s *service) Counts(ctx context.Context) (*lab.DatabaseCounts, error) {
	spec := s.Spec()
	if spec.Counts == nil {
		return nil, nil
	}
	counts, err := s.cell.agent.Count(ctx, spec.Port, *spec.Counts)
	if err != nil {
		return nil, s.cell.addAgentOutput(err)
	}
	return &counts, nil
}

func (c *cell) AwaitFirstAnswer(
	ctx context.Context, t lab.Target, timeout time.Duration,
) (time.Time, error) {
	at, err := c.agent.AwaitFirstAnswer(ctx,
		agent.AwaitRequest{BaseURL: c.baseURL, Target: t, Timeout: timeout})
	return at, c.addAgentOutput(err)
}

func (c *cell) Send(ctx context.Context, requests []lab.Request) ([]lab.Answer, error) {
	answers, err := c.agent.Send(ctx, c.baseURL, requests)
	return answers, c.addAgentOutput(err)
}

func (c *cell) CheckSubscribers(
	ctx context.Context, rule lab.SubscriptionRule,
) ([]lab.DeliveryFault, error) {
	faults, err := c.agent.CheckSubscribers(ctx, agent.CheckRequest{BaseURL: c.baseURL, Rule: rule})
	return faults, c.addAgentOutput(err)
}

func (c *cell) Listeners(ctx context.Context) ([]lab.Listener, error) {
	all, err := c.agent.Listeners(ctx)
	return all, c.addAgentOutput(err)
}

// Attack runs an attack. Before the first, it tells the agent which services run in the cell. That is
// not done when they start: it would delay the request whose answer ends the cold start.
func (c *cell) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	if !c.toldServices {
		var all []agent.Service
		for _, s := range c.Cell.Services() {
			all = append(all, agent.Service{Name: s.Spec().Name, ContainerID: s.Grant().ContainerID})
		}
		if err := c.agent.TellServices(ctx, all); err != nil {
			return account.Observation{}, c.addAgentOutput(err)
		}
		c.toldServices = true
	}
	result, err := c.agent.Attack(ctx, a)
	return result, c.addAgentOutput(err)
}

func (c *cell) ReadHits(ctx context.Context, each func([]lab.Hit) error) error {
	return c.addAgentOutput(c.agent.ReadHits(ctx, each))
}

// addAgentOutput adds the agent's stderr to err: an agent that has ended wrote its
// reason there. It returns nil if err is nil.
func (c *cell) addAgentOutput(err error) error {
	if err == nil {
		return nil
	}
	if output := strings.TrimSpace(c.AgentStderr()); output != "" {
		return fmt.Errorf("%w; the agent's stderr: %s", err, output)
	}
	return err
}

var (
	_ experiment.Cells   = cells{}
	_ experiment.Service = (*service)(nil)
)
