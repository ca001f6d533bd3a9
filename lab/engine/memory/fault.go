package memory

import (
	"errors"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// Fault breaks a trial. It comes once, at the first such moment after it was armed.
type Fault struct {
	Moment Moment
	Kind   Kind
	// Role is that of the service that ends, starts, is awaited or is read. The generator is neither
	// awaited nor read: a fault of it then comes with the first service that is.
	Role lab.Role
}

// Moment is a moment of a trial.
type Moment string

const (
	Opening   Moment = "opening"   // a container of the cell starts
	Readiness Moment = "readiness" // the agent waits for the first answer of a service, or of the server
	WarmUp    Moment = "warm-up"   // in the middle of a warm-up
	Attack    Moment = "attack"    // in the middle of a measured attack
	Canary    Moment = "canary"    // canaries run
	Reading   Moment = "reading"   // the usage of a service is read
	Closing   Moment = "closing"   // the cell closes
)

// Kind is a kind of fault.
type Kind string

const (
	// ServiceEnds ends the service of the fault's role, or the generator. What depends on the service
	// ends a millisecond later.
	ServiceEnds Kind = "service ends"
	// NeverReady lets a service answer nothing. It comes at Readiness.
	NeverReady Kind = "never ready"
	// CallFails lets one call to the engine fail, at Opening, Reading or Closing.
	CallFails Kind = "call fails"
	// EngineSilent lets all calls fail until Restart, and breaks all streams.
	EngineSilent Kind = "engine silent"
	// LeaseLost removes the lease, and another run's sweep with it all containers of the run.
	LeaseLost Kind = "lease lost"
	// AgentBreaks breaks the streams of the cell's agent, or at Canary those of the lease's. Its
	// container runs on.
	AgentBreaks Kind = "agent breaks"
	// UserInterrupts ends the context of the run.
	UserInterrupts Kind = "user interrupts"
)

// errFailed is the error of a call that a fault lets fail.
var errFailed = errors.New("input/output error")

// Arm adds faults that have yet to come.
func (e *Engine) Arm(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = append(e.faults, faults...)
}

// Disarm removes the faults that have not come, and returns them.
func (e *Engine) Disarm() []Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	left := e.faults
	e.faults = nil
	return left
}

// due removes and returns the fault that comes at a moment of a service's role. The role is empty at
// moments of the whole cell.
func (e *Engine) due(m Moment, role lab.Role) (f Fault, due bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.faults, func(f Fault) bool {
		return f.Moment == m && (role == "" || f.Role == role ||
			f.Role == lab.RoleGenerator && m != Opening)
	})
	if i < 0 {
		return f, false
	}
	f = e.faults[i]
	e.faults = slices.Delete(e.faults, i, i+1)
	return f, true
}

// reach lets the fault come that is due at a moment of the cell. It returns the error of the engine's
// call at that moment, or errNeverReady.
func (c *Cell) reach(m Moment, role lab.Role) error {
	e := c.run.engine
	f, due := e.due(m, role)
	if due && f.Kind == UserInterrupts {
		e.InterruptRun()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if due {
		switch f.Kind {
		case ServiceEnds:
			c.endRole(f.Role)
		case NeverReady:
			return errNeverReady
		case CallFails:
			return fault.By(fault.Engine, errFailed)
		case EngineSilent:
			e.silence()
		case LeaseLost:
			e.remove(func(other *container) bool { return other.run == c.run })
		case AgentBreaks:
			broken := c.generator
			if c.stderr = "fatal error: out of luck"; m == Canary {
				broken = c.run.lease
			}
			broken.closeStreams()
		}
	}
	return e.check()
}

// endRole ends the service of a role, and with the generator the whole cell.
func (c *Cell) endRole(role lab.Role) {
	if role == lab.RoleGenerator {
		c.generator.end("the generator exited with code 137")
		for _, s := range c.services {
			s.end(s.title() + " exited with code 137")
		}
		return
	}
	for _, s := range c.services {
		if s.spec.Role == role {
			s.end(s.title() + " exited with code 7")
			c.endDependent(s.spec.Name, s.ending.At)
		}
	}
}

// endDependent ends the services that depend on a service, which ended at a time.
func (c *Cell) endDependent(on string, at time.Time) {
	for _, s := range c.services {
		if s.runs() && slices.Contains(s.spec.DependsOn, on) {
			s.end(s.title() + " exited with code 1")
			s.ending.At = at.Add(time.Millisecond)
			c.endDependent(s.spec.Name, s.ending.At)
		}
	}
}
