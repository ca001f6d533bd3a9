package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// plainAnswer is the constant answer as its bytes on the wire.
var plainAnswer = okAnswer("text/plain", []byte(ResponseBody))

// okAnswer returns the bytes of an answer with status 200.
func okAnswer(contentType string, body []byte) []byte {
	return answerBytes(http.StatusOK, contentType, body)
}

func answerBytes(status int, contentType string, body []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), contentType, len(body), body)
}

// serveConnections calls serve for each connection, in its own goroutine, until ctx ends.
func serveConnections(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

// serveRequests reads the requests of each connection and calls respond, which writes a
// whole answer. It does less than net/http's server, so that less time lies between a
// request and the responder's clock.
func serveRequests(ctx context.Context, l net.Listener, respond func(io.Writer, *http.Request) error) error {
	return serveConnections(ctx, l, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return // the client has closed, or sent something invalid
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if err := respond(c, r); err != nil || r.Close {
				return
			}
		}
	})
}

// writeJSON answers with v as JSON.
func writeJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(okAnswer("application/json", text))
	return err
}
