package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// A call that fails because its context has ended is not the engine's failure.
func TestErrorsOfTheAPINameTheEngine(t *testing.T) {
	e := engineAnswering(t, http.StatusInternalServerError)
	run := &Run{engine: e, agent: lab.Image{Ref: "agent"}}
	server := &Service{
		engine: e, spec: lab.Service{Role: lab.RoleServer, Name: "node/single"},
		grant: lab.Grant{ContainerID: "00ff"},
	}
	cell := &Cell{run: run, generator: "00ff", stream: closedStreams(t)}
	ended, end := context.WithCancelCause(t.Context())
	end(fault.By(fault.Server, errors.New("the server's process ended")))
	for name, call := range map[string]func(context.Context) error{
		"Facts":  func(ctx context.Context) error { return errorOf(e.Facts(ctx)) },
		"Sweep":  func(ctx context.Context) error { return errorOf(e.Sweep(ctx)) },
		"Open":   func(ctx context.Context) error { return errorOf(run.Open(ctx, lab.CellRequest{}, nil)) },
		"start":  func(ctx context.Context) error { return cell.start(ctx, server.spec) },
		"Lock":   func(ctx context.Context) error { return run.Lock(ctx, "", nil) },
		"attach": func(ctx context.Context) error { return errorOf(e.attach(ctx, "00ff")) },
		"Usage":  func(ctx context.Context) error { return errorOf(server.Usage(ctx)) },
		"Done":   func(ctx context.Context) error { return <-server.Done(ctx) },
		"Close":  cell.Close,
		"containerState": func(ctx context.Context) error {
			return errorOf(e.containerState(ctx, "00ff"))
		},
	} {
		if err := call(t.Context()); fault.PartyOf(err) != fault.Engine {
			t.Errorf("%s: %v by %+v", name, err, fault.PartyOf(err))
		}
		if err := call(ended); fault.PartyOf(err) != fault.Server {
			t.Errorf("%s, after the server's end: %v by %+v", name, err, fault.PartyOf(err))
		}
	}
	if err := run.CheckLease(t.Context()); fault.PartyOf(err) != fault.Engine {
		t.Errorf("CheckLease: %v by %+v", err, fault.PartyOf(err))
	}
}

// A container that an engine does not know has ended; one that it cannot inspect may still run.
func TestAFailedInspectionIsNoEvidenceOfAnExit(t *testing.T) {
	for status, ended := range map[int]bool{
		http.StatusNotFound:            true,
		http.StatusInternalServerError: false,
	} {
		e := engineAnswering(t, status)
		cell := &Cell{run: &Run{engine: e}, generator: "00ff", stream: &attachedStreams{}}
		server := &Service{engine: e, grant: lab.Grant{ContainerID: "00ff"}}
		for who, reason := range map[string]string{
			"generator": cell.ExitReason(t.Context()), "service": server.Ending(t.Context()).Reason,
		} {
			if (reason != "") != ended {
				t.Errorf("status %d: the %s ended: %q", status, who, reason)
			}
		}
	}
}

// closedStreams returns streams that nobody reads.
func closedStreams(t *testing.T) *attachedStreams {
	t.Helper()
	out, _ := io.Pipe()
	conn, _ := net.Pipe()
	return &attachedStreams{attached: client.ContainerAttachResult{
		HijackedResponse: client.HijackedResponse{Conn: conn},
	}, out: out}
}

// engineAnswering returns an engine that answers every request but a ping with a status.
func engineAnswering(t *testing.T, status int) *Engine {
	t.Helper()
	return engineServing(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// engineServing returns an engine whose API is answered by handle, except for pings.
func engineServing(t *testing.T, handle http.HandlerFunc) *Engine {
	t.Helper()
	socket := serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			handle(w, r)
		}
	}))
	c, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &Engine{Address: Address{Host: "unix://" + socket}, client: c}
}

// errorOf returns the error of a call.
func errorOf[T any](_ T, err error) error { return err }

// An engine refuses to remove a container that ends while it is killed.
func TestAContainerThatEndsByItselfIsRemoved(t *testing.T) {
	tries := 0
	e := engineServing(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			http.Error(w, `{"message":"Could not kill running container"}`, http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := e.remove(t.Context(), "00ff"); err != nil || tries != 2 {
		t.Errorf("%d tries, error %v", tries, err)
	}
}
