package experiment

import (
	"context"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

// writableBytes limits what a server of the user's own may write to each of its writable folders. It
// is memory, and counts against lab.ServerMemory.
const writableBytes = 256 << 20

// Server returns the service that runs a variant beside other services.
func Server(v lab.Variant, image lab.Image, beside ...lab.Service) lab.Service {
	s := lab.Service{
		Role: lab.RoleServer, Name: v.ID(), Image: image,
		Command: v.Command, Env: map[string]string{"PORT": fmt.Sprint(v.Port())},
		Port: v.Port(), MemoryBytes: lab.ServerMemory,
	}
	if v.Own == nil { // HOST may mean something else to a server of the user's own
		s.Env["HOST"] = "127.0.0.1"
	} else {
		s.User = v.Own.User
		for _, path := range v.Own.Writable {
			s.Writable = append(s.Writable, lab.WritableFolder{Path: path, SizeBytes: writableBytes})
		}
	}
	for _, b := range beside {
		maps.Copy(s.Env, b.ServerEnv)
		s.DependsOn = append(s.DependsOn, b.Name)
	}
	maps.Copy(s.Env, v.Env)
	return s
}

// cellRequest returns what a trial of subject asks of the engine, with the services of these names
// and those that they depend on.
func (e *Experiment) cellRequest(subject lab.Subject, names []string) (lab.CellRequest, error) {
	beside, err := plan.StartOrder(e.Services, names)
	if err != nil {
		return lab.CellRequest{}, err
	}
	for i, placed := range plan.PlaceServices(subject.Layout, beside).Beside {
		beside[i].CPUs.Pinned = placed.CPUs
	}
	server := Server(subject.Variant, subject.Image, beside...)
	server.CPUs = lab.CPURequest{Count: len(subject.Layout.Server), Pinned: subject.Layout.Server}
	for _, b := range beside {
		if b.Port == server.Port {
			return lab.CellRequest{}, fault.By(fault.Lab, &fault.Error{
				Code: fault.ExitUsage, Err: fmt.Errorf("%s listens on port %d, where the service %s listens", server.Name,
					server.Port, b.Name),
				Hint: "let it listen on another port, and set port in variant()",
			})
		}
	}
	return lab.CellRequest{
		Generator: lab.CPURequest{Count: len(subject.Layout.Generator), Pinned: subject.Layout.Generator},
		Services:  append(beside, server), GeneratorWaits: subject.Layout.GeneratorShares(),
	}, nil
}

// serverOf returns the service of a cell that is measured.
func serverOf(cell Cell) Service {
	for _, s := range cell.Services() {
		if s.Spec().Role.Traits().Measured {
			return s
		}
	}
	return nil
}

// besideServer returns the services of a cell that are not measured.
func besideServer(cell Cell) (beside []Service) {
	for _, s := range cell.Services() {
		if !s.Spec().Role.Traits().Measured {
			beside = append(beside, s)
		}
	}
	return beside
}

// besideReading is what a service beside the server has used and answered so far.
type besideReading struct {
	usage  account.Usage
	calls  *int64              // nil: it does not count them
	counts *lab.DatabaseCounts // nil: it is not asked
}

// readBeside reads the services of a cell beside the server, all at once. A database works to count:
// it is asked before the first reading of its usage, and after the last one.
func readBeside(ctx context.Context, cell Cell, afterLoad bool) ([]besideReading, error) {
	beside := besideServer(cell)
	readings := make([]besideReading, len(beside))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range beside {
		group.Go(func() (err error) {
			if readings[i].calls, err = s.Calls(ctx); err != nil {
				err = fmt.Errorf("reading %s's call count: %w", s.Spec().Title(), err)
				return fault.During(ctx, partyOf(s), err)
			}
			if !afterLoad {
				if readings[i].counts, err = readCounts(ctx, s); err != nil {
					return err
				}
			}
			if readings[i].usage, err = s.Usage(ctx); err != nil || !afterLoad {
				return err
			}
			readings[i].counts, err = readCounts(ctx, s)
			return err
		})
	}
	return readings, group.Wait()
}

// readCounts asks a database what it has counted so far.
func readCounts(ctx context.Context, s Service) (*lab.DatabaseCounts, error) {
	counts, err := s.Counts(ctx)
	if err != nil {
		err = fmt.Errorf("reading the counts of %s: %w", s.Spec().Title(), err)
		return nil, fault.During(ctx, partyOf(s), err)
	}
	return counts, nil
}

// besideReadings joins what was read of the services beside the server before and after a window of
// load. Both are nil if nothing was read.
func besideReadings(cell Cell, before, after []besideReading) (all []account.ServiceReadings) {
	for i, s := range besideServer(cell) {
		spec := s.Spec()
		r := account.ServiceReadings{Role: spec.Role, Name: spec.Name, CPUs: s.Grant().CPUs}
		if before != nil {
			r.Usage = &account.UsageReadings{Before: before[i].usage, After: after[i].usage}
			if before[i].calls != nil && after[i].calls != nil {
				calls := *after[i].calls - *before[i].calls
				r.Calls = &calls
			}
			if before[i].counts != nil && after[i].counts != nil {
				r.Counts = &account.CountReadings{Before: *before[i].counts, After: *after[i].counts}
			}
		}
		all = append(all, r)
	}
	return all
}

// serverReadings returns what was read of the server around a window of load, besides the cell's
// readings. usage is nil if its container could not be read.
func serverReadings(cell Cell, usage *account.UsageReadings) account.ServiceReadings {
	s := serverOf(cell)
	return account.ServiceReadings{
		Role: s.Spec().Role, Name: s.Spec().Name, CPUs: s.Grant().CPUs, Usage: usage,
	}
}
