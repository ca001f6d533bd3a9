package attack

import (
	"net"
	"testing"
	"time"

	"runtimelab/lab"
)

// BenchmarkAttack is what the agent is optimised for: make profile turns its
// CPU profile into lab/cmd/agent/default.pgo. How fast the generator is, is for
// make bench to say, against a server that does not share its CPU.
func BenchmarkAttack(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go answerAll(l)
	for _, rate := range []float64{0, 20_000} {
		a := attackOn("http://"+l.Addr().String(), lab.Peak)
		a.Connections, a.Duration = 64, 8*time.Second
		if rate > 0 {
			a.Kind, a.Rate = lab.Steady, at(rate)
		}
		got, err := Run(b.Context(), a, nil)
		if err != nil || got.Failed > 0 {
			b.Fatal(got.Errors, err)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// answerAll answers whatever comes, a read at a time.
func answerAll(l net.Listener) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for request := make([]byte, 4096); ; {
				if _, err := c.Read(request); err != nil {
					return
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}
