// Package session joins engine, agent, images and responders to what measuring needs: the
// engine's measuring lock, images of variants, cells with their agents for experiment, limits of
// servers for contract, an instrument for calibrate. Of the other packages only cli uses it.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/engine"
	"runtimelab/lab/host"
	"runtimelab/lab/image"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
)

// Options configures a session.
type Options struct {
	Connect func(context.Context) (engine.Engine, error) // to the engine that measures
	Bases   image.BaseMode
	Log     io.Writer // receives messages for the user, a line each
	Version string    // of the lab, for the labels of its images
}

// Session holds what commands that measure need: an engine, the agent's image on it, a
// lease that excludes other runs, and the CPUs of generator and server.
type Session struct {
	ID       string
	Facts    engine.Facts
	Agent    lab.Image // the agent's image; the lab's responders run from it too
	Topology lab.Topology
	Layout   lab.Layout // for servers on one CPU
	Nofile   int        // open files that every container of a trial may have

	options  Options
	engine   engine.Engine
	builder  *image.Builder
	agentSum string // SHA-256 of the agent, in hexadecimal
	run      engine.Run
	lease    *Lease
}

// Run calls do in a session. It waits until no other run measures on the engine, and
// removes the containers of the session afterwards.
func Run(ctx context.Context, o Options, do func(*Session) error) (err error) {
	s := &Session{ID: record.NewID(time.Now()), options: o}
	if s.engine, err = o.Connect(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.engine.Close()) }()
	if s.Facts, err = s.engine.Facts(ctx); err != nil {
		return err
	}
	if _, err := s.engine.Sweep(ctx); err != nil {
		return err
	}
	s.builder = NewBuilder(s.engine, image.Options{
		Bases:   o.Bases,
		Log:     o.Log,
		Version: o.Version,
		Install: func(ctx context.Context, names ...string) error {
			return host.InstallPackages(ctx, o.Log, names...)
		},
	})
	if s.Agent, s.agentSum, err = ensureAgent(ctx, s.builder, s.Facts.Arch); err != nil {
		return err
	}
	return s.withLease(ctx, do)
}

// withLease calls do with a lease on the engine and its measuring lock, and ends the lease.
func (s *Session) withLease(ctx context.Context, do func(*Session) error) (err error) {
	if s.run, err = s.engine.BeginRun(ctx, s.ID, s.Agent); err != nil {
		return err
	}
	s.lease = newLease(s.run)
	defer func() { err = errors.Join(err, s.lease.End(ctx)) }()
	// The lock comes first, because building images would disturb another run.
	err = s.run.Lock(ctx, lockHolder(), func(holder string) {
		s.logf("waiting: %s is measuring on this engine", holder)
	})
	if err != nil {
		return err
	}
	if err := s.probeCPUs(ctx); err != nil {
		return err
	}
	return do(s)
}

// logf writes one line to the log.
func (s *Session) logf(format string, args ...any) { fmt.Fprintf(s.options.Log, format+"\n", args...) }

// probeCPUs reads the topology of the engine's machine, and decides which CPUs the
// generator and servers get. It pins this process to the generator's CPUs if the engine
// is local.
func (s *Session) probeCPUs(ctx context.Context) (err error) {
	if s.Topology, err = s.lease.Probe(ctx); err != nil {
		return err
	}
	if s.Layout, err = plan.NewLayout(s.Topology); err != nil {
		return err
	}
	s.Nofile = s.run.LimitNofile(s.Topology.Nofile)
	if s.Nofile < engine.Nofile {
		s.Layout.Doubts = append(s.Layout.Doubts, fmt.Sprintf("this engine grants only %d open files: "+
			"every container of the run gets that many instead of %d", s.Nofile, engine.Nofile))
	}
	s.Layout.Doubts = append(s.Layout.Doubts, s.Topology.Conditions.Doubts()...)
	quotas, err := s.MeasureQuotas(ctx)
	if err != nil {
		return err
	}
	s.Layout.Doubts = append(s.Layout.Doubts, quotas.Doubts()...)
	if s.engine.Local() {
		// Work of the lab itself must not disturb the server's CPUs.
		if err := host.PinToCPUs(s.Layout.Generator); err != nil {
			s.Layout.Doubts = append(s.Layout.Doubts, err.Error())
		}
	}
	return nil
}

// ExpectedIdentity returns the limits that every server of the session gets, and must
// report in its identity.
func (s *Session) ExpectedIdentity() contract.ExpectedIdentity {
	return contract.ExpectedIdentity{MemoryLimit: lab.ServerMemory, Nofile: s.Nofile}
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
