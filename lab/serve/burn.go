package serve

import (
	"context"
	"io"
	"net"
	"net/http"
)

// burn does a fixed amount of CPU work for each request, on all CPUs that its process
// may use: Go's runtime takes their number from the affinity. Requests share only the
// listening socket, so its speed-up is the maximum that the machine allows.
type burn struct{ iterations int }

func (s burn) serve(ctx context.Context, l *net.TCPListener) error {
	return serveRequests(ctx, l, func(w io.Writer, _ *http.Request) error {
		Work(s.iterations)
		_, err := w.Write(plainAnswer)
		return err
	})
}
