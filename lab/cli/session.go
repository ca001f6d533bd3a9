package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/agent"
	"runtimelab/lab/agent/binary"
	"runtimelab/lab/engine"
	"runtimelab/lab/host"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
)

// session is what every command that measures has: an engine to itself, the
// agent's image on it, a lease, and the CPUs that each side gets.
type session struct {
	app      *app
	id       string
	engine   *engine.Engine
	facts    engine.Facts
	builder  *image.Builder
	agent    lab.Image
	agentSum string // SHA-256 of the agent, in hexadecimal
	run      *engine.Run
	lease    *agent.Client
	topology lab.Topology
	layout   lab.Layout // where a server is given one CPU
	nofile   int        // what every container of a trial gets
}

// inSession does something in a session, and removes all that it has on the
// engine afterwards, however it ended.
func (a *app) inSession(ctx context.Context, bases image.BaseMode, do func(*session) error) (err error) {
	s := &session{app: a, id: record.NewID(time.Now())}
	if s.engine, err = engine.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.engine.Close()) }()
	if s.facts, err = s.engine.Facts(ctx); err != nil {
		return err
	}
	if _, err := s.engine.Sweep(ctx); err != nil {
		return err
	}
	if err := s.ensureAgentImage(ctx, bases); err != nil {
		return err
	}
	if s.run, err = s.engine.BeginRun(ctx, s.id, s.agent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endRun(ctx, s.run)) }()
	// Building images would disturb who measures, so the lock comes first.
	if err := s.run.Lock(ctx, lockHolder(), func(by string) {
		a.messagef("waiting: %s is measuring on this engine", by)
	}); err != nil {
		return err
	}
	if err := s.probeCPUs(ctx); err != nil {
		return err
	}
	return do(s)
}

func (s *session) ensureAgentImage(ctx context.Context, bases image.BaseMode) error {
	s.builder = image.NewBuilder(s.engine.Client(), image.Options{
		Bases:          bases,
		Log:            s.app.Err,
		EngineIsRemote: !s.engine.Local(),
		Version:        version(),
		Install: func(ctx context.Context, names ...string) error {
			return host.InstallPackages(ctx, s.app.Err, names...)
		},
	})
	program, err := binary.ForArch(s.facts.Arch)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(program)
	s.agentSum = hex.EncodeToString(sum[:])
	s.agent, err = s.builder.EnsureAgent(ctx, program)
	return err
}

// images builds the images of runtimes and checks what they set. missing says why
// a variant has none; without any image there is nothing to do.
func (s *session) images(ctx context.Context, runtimes []lab.Runtime) (images map[string]lab.Image,
	missing map[string]string, err error,
) {
	built := s.builder.Ensure(ctx, runtimes)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	images, missing = make(map[string]lab.Image), make(map[string]string)
	var failures []error
	for _, r := range runtimes {
		result := built[r.Name]
		if result.Err == nil {
			result.Err = s.admit(ctx, r, result.Image)
		}
		if result.Err != nil {
			failures = append(failures, result.Err)
			s.app.messagef("%s is not measured: %v", r.Name, result.Err)
		}
		for _, v := range r.Variants {
			if result.Err != nil {
				cause, _, _ := strings.Cut(result.Err.Error(), "\n") // the rest was shown above
				missing[v.ID()] = "image: " + cause
			} else {
				images[v.ID()] = result.Image
			}
		}
	}
	if len(images) == 0 {
		return nil, nil, fmt.Errorf("no runtime has an image that can be measured: %w", errors.Join(failures...))
	}
	return images, missing, nil
}

// admit checks what the image of a runtime sets, before a container of it starts.
func (s *session) admit(ctx context.Context, r lab.Runtime, img lab.Image) error {
	if err := s.run.Admit(ctx, img.Ref); err != nil {
		return fmt.Errorf("runtime %s (%s): %w", r.Name, filepath.Join(r.ContextDir, r.Dockerfile), err)
	}
	return nil
}

// probeCPUs finds out which CPUs there are and lays them out.
func (s *session) probeCPUs(ctx context.Context) (err error) {
	s.lease = agent.NewClient(s.run, s.run)
	if s.topology, err = s.lease.Probe(ctx); err != nil {
		return err
	}
	if s.layout, err = plan.NewLayout(s.topology); err != nil {
		return err
	}
	s.nofile = s.run.LimitNofile(s.topology.Nofile)
	if s.nofile < engine.Nofile {
		s.layout.Doubts = append(s.layout.Doubts, fmt.Sprintf(
			"this engine may grant only %d open files: every container of the run gets that many instead of %d", s.nofile, engine.Nofile))
	}
	s.layout.Doubts = append(s.layout.Doubts, s.topology.Conditions.Doubts()...)
	quotas, _, err := s.run.Quotas(ctx)
	if err != nil {
		return err
	}
	stopped, err := stoppedInARow(ctx, s.lease, s.topology.CPUs)
	if err != nil {
		return err
	}
	s.layout.Doubts = append(s.layout.Doubts, quotaDoubts(quotas, len(s.topology.CPUs), stopped)...)
	if s.engine.Local() {
		// What the lab itself does must not touch the server's core.
		if err := host.PinToCPUs(s.layout.Generator); err != nil {
			s.layout.Doubts = append(s.layout.Doubts, err.Error())
		}
	}
	return nil
}

func (s *session) cells() cells { return cells{run: s.run, lease: s.lease, image: s.agent} }

// endRun removes what a run has on the engine, also after an interruption; but does
// not wait for ever for an engine that hangs.
func endRun(ctx context.Context, run *engine.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return run.End(ctx)
}

// lockHolder says who is measuring, for whoever has to wait.
func lockHolder() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	where, err := os.Hostname()
	if err != nil {
		where = "an unnamed host"
	}
	return fmt.Sprintf("process %d of %s on %s, since %s", os.Getpid(), name, where,
		time.Now().Format("15:04:05"))
}
