package cli

import (
	"cmp"
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
	"runtimelab/lab/fault"
	"runtimelab/lab/host"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
)

// session holds what commands that measure need: an engine, the agent's image on it, a
// lease that excludes other runs, and the CPUs of generator and server.
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
	layout   lab.Layout // for servers on one CPU
	nofile   int        // open files that every container of a trial may have
}

// inSession calls do in a session. It waits until no other run measures on the engine,
// and removes the containers of the session afterwards.
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
	// The lock comes first, because building images would disturb another run.
	err = s.run.Lock(ctx, lockHolder(), func(holder string) {
		a.messagef("waiting: %s is measuring on this engine", holder)
	})
	if err != nil {
		return err
	}
	if err := s.probeCPUs(ctx); err != nil {
		return err
	}
	return do(s)
}

// ensureAgentImage creates the image builder, and builds the agent's image if it is
// missing.
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

// ensureImages builds the images of runtimes, and checks their settings. It returns
// images by variant id, and the reasons why variants have none. It is an error if no
// runtime has an image.
func (s *session) ensureImages(
	ctx context.Context, runtimes []lab.Runtime,
) (images map[string]lab.Image, missing map[string]string, err error) {
	built := s.builder.Ensure(ctx, runtimes)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	images, missing = make(map[string]lab.Image), make(map[string]string)
	var failures []error
	for _, r := range runtimes {
		result := built[r.Name]
		if result.Err == nil {
			result.Err = s.checkSettings(ctx, r, result.Image)
		}
		if result.Err != nil {
			failures = append(failures, result.Err)
			s.app.messagef("%s is not measured: %v", r.Name, result.Err)
		}
		for _, v := range r.Variants {
			err := result.Err
			if err == nil {
				err = s.run.AdmitServer(ctx, v, result.Image, cmp.Or(r.Image, result.Image.Ref))
			}
			if err != nil && result.Err == nil {
				failures = append(failures, err)
				s.app.messagef("%s is not measured: %v", v.ID(), err)
			}
			if err != nil {
				cause, _, _ := strings.Cut(err.Error(), "\n") // the message above has the rest
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

// checkSettings returns an error if the image of a runtime sets something that the lab
// cannot override, such as a nested volume.
func (s *session) checkSettings(ctx context.Context, r lab.Runtime, img lab.Image) error {
	if err := s.run.Admit(ctx, img.Ref); err != nil {
		from := cmp.Or(r.Image, filepath.Join(r.ContextDir, r.Dockerfile))
		return fmt.Errorf("runtime %s (%s): %w", r.Name, from, err)
	}
	return nil
}

// probeCPUs reads the topology of the engine's machine, and decides which CPUs the
// generator and servers get. It pins this process to the generator's CPUs if the engine
// is local.
func (s *session) probeCPUs(ctx context.Context) (err error) {
	s.lease = agent.NewClient(fault.Lab, s.run, s.run)
	if s.topology, err = s.lease.Probe(ctx); err != nil {
		return err
	}
	if s.layout, err = plan.NewLayout(s.topology); err != nil {
		return err
	}
	s.nofile = s.run.LimitNofile(s.topology.Nofile)
	if s.nofile < engine.Nofile {
		s.layout.Doubts = append(s.layout.Doubts, fmt.Sprintf("this engine grants only %d open files: "+
			"every container of the run gets that many instead of %d", s.nofile, engine.Nofile))
	}
	s.layout.Doubts = append(s.layout.Doubts, s.topology.Conditions.Doubts()...)
	quotas, _, err := s.run.Quotas(ctx)
	if err != nil {
		return err
	}
	stopped, err := measureStops(ctx, s.lease, s.topology.CPUs)
	if err != nil {
		return err
	}
	s.layout.Doubts = append(s.layout.Doubts, quotaDoubts(quotas, len(s.topology.CPUs), stopped)...)
	if s.engine.Local() {
		// Work of the lab itself must not disturb the server's CPUs.
		if err := host.PinToCPUs(s.layout.Generator); err != nil {
			s.layout.Doubts = append(s.layout.Doubts, err.Error())
		}
	}
	return nil
}

func (s *session) cells() cells { return cells{run: s.run, lease: s.lease, image: s.agent} }

// endRun removes the containers of a run, also after an interruption. It gives up after
// 30 seconds, because an engine may hang.
func endRun(ctx context.Context, run *engine.Run) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return run.End(ctx)
}

// lockHolder describes this process for other processes that wait for the lock.
func lockHolder() string {
	name := "an unknown user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "an unknown host"
	}
	return fmt.Sprintf("process %d of %s on %s, since %s",
		os.Getpid(), name, hostname, time.Now().Format("15:04:05"))
}
