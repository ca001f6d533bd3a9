package memory

import (
	"context"
	"io"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/agent"
)

// container is a container of a run: its lease, a generator or a service. The engine's mu guards it.
type container struct {
	id        string
	run       *Run
	spec      lab.Service // of a service; the others have a name only, or a role
	startedAt time.Time
	ended     chan struct{} // closed when its process has ended
	ending    lab.Ending
	stop      []io.Closer // its streams

	used  time.Duration // CPU time so far
	calls int64         // that it has answered
}

// title names the container in messages.
func (c *container) title() string {
	if c.spec.Role == "" {
		return "the " + c.spec.Name
	}
	return c.spec.Title()
}

// runs reports whether the container's process runs.
func (c *container) runs() bool { return c.ending == (lab.Ending{}) }

// end ends the container's process, if it runs, and with it what its streams are attached to.
func (c *container) end(reason string) {
	if !c.runs() {
		return
	}
	c.ending = lab.Ending{At: time.Now(), Reason: reason}
	close(c.ended)
	c.closeStreams()
}

// closeStreams breaks what this process has attached to the container.
func (c *container) closeStreams() {
	for _, s := range c.stop {
		_ = s.Close() // the end of a pipe closes without an error
	}
}

// streams are the standard streams of a container, as this process has attached them.
type streams struct {
	io.Reader
	io.Writer
}

// serve runs an agent as the container's process, and returns its streams.
func (c *container) serve(a agent.Agent) io.ReadWriter {
	in, toAgent := io.Pipe()
	fromAgent, out := io.Pipe()
	c.stop = []io.Closer{in, out}
	go func() {
		// The error is that of a stream that the end of the container has closed.
		_ = agent.Reply(context.Background(), in, out, a)
	}()
	return streams{fromAgent, toAgent}
}
