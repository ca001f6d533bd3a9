package session

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/agent"
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/serve"
)

// Cells returns what opens the cells of an experiment on the session's engine.
func (s *Session) Cells() experiment.Cells {
	return cells{run: s.run, lease: s.lease, image: s.Agent}
}

// cells adds an agent to the engine's cells. Canaries run in the lease's agent, which may
// use every CPU.
type cells struct {
	run   *docker.Run
	lease *Lease
	image lab.Image // of the agent; upstreams run from it too
}

func (c cells) RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	return c.lease.RunCanaries(ctx, cpus)
}

func (c cells) CheckEngine(ctx context.Context) error { return c.run.CheckLease(ctx) }

func (c cells) OpenCell(ctx context.Context, cpus []int, port int) (experiment.Cell, error) {
	opened, err := c.run.OpenCell(ctx, cpus, port)
	if err != nil {
		return nil, err
	}
	client := agent.NewClient(fault.Generator, opened, opened)
	return &cell{Cell: opened, agent: client, image: c.image, baseURL: experiment.BaseURL(port)}, nil
}

type cell struct {
	*docker.Cell
	agent    *agent.Client
	image    lab.Image
	baseURL  string // of the server
	services []agent.Service

	toldServices bool // the agent knows the services
}

func (c *cell) StartServer(
	ctx context.Context, v lab.Variant, image lab.Image, cpus []int,
) (experiment.Server, error) {
	s, err := c.Cell.StartServer(ctx, v, image, cpus)
	if s == nil {
		return nil, err // not a nil *Server in the interface
	}
	c.services = append(c.services, agent.Service{Name: v.ID(), ContainerID: s.ContainerID()})
	return s, err
}

func (c *cell) StartUpstream(ctx context.Context, cpus []int) (experiment.Upstream, error) {
	s, err := c.Cell.StartUpstream(ctx, serve.Upstream(), c.image, cpus)
	if err == nil {
		c.services = append(c.services, agent.Service{Name: string(lab.RoleUpstream), ContainerID: s.ContainerID()})
		target := lab.Target{Request: callsRequest, Status: http.StatusOK}
		_, err = c.agent.AwaitFirstAnswer(ctx,
			agent.AwaitRequest{BaseURL: upstreamURL, Target: target, Timeout: responderTimeout})
	}
	if s == nil {
		return nil, err // not a nil *upstream in the interface
	}
	return &upstream{Server: s, cell: c}, c.addAgentOutput(err)
}

var (
	upstreamURL  = fmt.Sprintf("http://127.0.0.1:%d", lab.UpstreamPort)
	callsRequest = lab.Request{Method: http.MethodGet, Path: serve.CallsPath}
)

// upstream is a responder of the lab that the server of its cell calls.
type upstream struct {
	*docker.Server
	cell *cell
}

func (u *upstream) Calls(ctx context.Context) (int64, error) {
	answers, err := u.cell.agent.Send(ctx, upstreamURL, []lab.Request{callsRequest})
	if err != nil {
		return 0, u.cell.addAgentOutput(err)
	}
	var calls serve.CallCount
	if err := json.Unmarshal(answers[0].Body, &calls); err != nil {
		return 0, fmt.Errorf("reading the upstream's count of calls (%q %s): %w",
			answers[0].Body, answers[0].Error, err)
	}
	return calls.Count, nil
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

func (c *cell) Listeners(ctx context.Context) ([]lab.Listener, error) {
	all, err := c.agent.Listeners(ctx)
	return all, c.addAgentOutput(err)
}

// Attack runs an attack. Before the first, it tells the agent which services run in the cell. That is
// not done when they start: it would delay the request whose answer ends the cold start.
func (c *cell) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	if !c.toldServices {
		if err := c.agent.TellServices(ctx, c.services); err != nil {
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
	_ experiment.Cells    = cells{}
	_ experiment.Server   = (*docker.Server)(nil)
	_ experiment.Upstream = (*upstream)(nil)
)
