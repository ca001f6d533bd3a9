package docker

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"runtimelab/lab/fault"
)

// attachedStreams holds a container's standard streams, attached before it starts.
type attachedStreams struct {
	attached client.ContainerAttachResult
	out      *io.PipeReader
	stderr   tailBuffer
}

// attach connects to a container before it starts, so that no output is lost and its input is open
// from the first moment.
func (e *Engine) attach(ctx context.Context, id string) (*attachedStreams, error) {
	attached, err := e.client.ContainerAttach(ctx, id, client.ContainerAttachOptions{
		Stream: true, Stdin: true, Stdout: true, Stderr: true,
	})
	if err != nil {
		return nil, fault.During(ctx, fault.Engine, fmt.Errorf("attaching to container %.12s: %w", id, err))
	}
	out, in := io.Pipe()
	s := &attachedStreams{attached: attached, out: out}
	go func() {
		err := demultiplex(in, &s.stderr, attached.Reader)
		in.CloseWithError(err) // nil becomes io.EOF
	}()
	return s, nil
}

// Read reads the container's standard output.
func (s *attachedStreams) Read(p []byte) (int, error) { return s.out.Read(p) }

// Write writes to the container's standard input.
func (s *attachedStreams) Write(p []byte) (int, error) { return s.attached.Conn.Write(p) }

// Close closes the container's standard input; the agent then ends.
func (s *attachedStreams) Close() error {
	_ = s.out.Close() // the pipe's reader; its writer then ends
	return s.attached.Conn.Close()
}

func demultiplex(out, errors io.Writer, from io.Reader) error {
	_, err := stdcopy.StdCopy(out, errors, from)
	return err
}

// tailBuffer keeps the last tailBytes that are written to it.
type tailBuffer struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
