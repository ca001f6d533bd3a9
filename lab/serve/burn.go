package serve

import (
	"context"
	"io"
	"net"
	"net/http"
)

// burn does a fixed piece of CPU work for each request, on as many CPUs at once
// as its process may run on: Go's runtime takes their number from the affinity.
// It shares nothing between them but a listening socket, so that what it gains
// with another CPU is what the machine has to give.
type burn struct{ iterations int }

func (s burn) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, _ *http.Request) error {
		Work(s.iterations)
		_, err := w.Write(plainAnswer)
		return err
	})
}
