package attack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"runtimelab/lab"
)

// answerSeeds are answers to begin with: simple ones, and ones that are left to net/http.
var answerSeeds = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\nhello",
	"HTTP/1.1 200 OK\nConnection: close, keep-alive\nContent-Length: 0\n\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 0000000000000005\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\n Folded: x\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200\r\nX\x00: y\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
	"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/0.0 000 \n\nHTTP/0.0 200 \n\n", // 0 is no informational status
}

// FuzzAnswer sends any bytes as an answer, in two pieces, to the transport and to net/http. They
// must agree on everything that the lab reports.
func FuzzAnswer(f *testing.F) {
	for _, seed := range answerSeeds {
		f.Add([]byte(seed), uint16(20), "GET")
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), uint16(3), "HEAD")
	f.Fuzz(func(t *testing.T, answer []byte, cut uint16, method string) {
		if method != "GET" && method != "HEAD" || len(answer) > maxHead/2 {
			t.Skip()
		}
		want := readByNetHTTP(answer, method)
		near, far := pair(t)
		tr, err := newTransport(t.Context(), lab.Attack{
			BaseURL: "http://127.0.0.1:1", Connections: 1, Timeout: time.Minute,
			Targets: []lab.Target{{
				Request: lab.Request{Method: method, Path: "/"}, Status: want.status,
				Body: want.body,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.close()
		adopt(t, tr, near)
		go func() {
			_, _ = http.ReadRequest(bufio.NewReader(far))
			at := min(int(cut), len(answer))
			_, _ = far.Write(answer[:at])
			_, _ = far.Write(answer[at:])
			_ = far.Close()
		}()
		got, err := vegetaHit(t, tr)
		// Bytes after an answer may arrive when the answer has been read. The next hit then finds them.
		late := err == nil && want.err == nil
		if (err == nil) != want.whole && !late {
			t.Fatalf("transport: error %v; net/http: whole %v, error %v", err, want.whole, want.err)
		}
		if err != nil {
			return
		}
		if got.status != want.status || got.bodyDiffers || got.bytesIn != int64(len(want.body)) ||
			tr.conns[0].closeAfter != want.close {
			t.Fatalf("transport: %+v, ends %v; net/http: %+v", got, tr.conns[0].closeAfter, want)
		}
	})
}

// reference is an answer as net/http reads it.
type reference struct {
	status int
	body   []byte
	close  bool
	whole  bool // without an error and without bytes after it
	err    error
}

func readByNetHTTP(answer []byte, method string) (r reference) {
	in := bufio.NewReader(bytes.NewReader(answer))
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return reference{err: err}
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if isInformational(resp.StatusCode) {
			continue
		}
		_, after := in.Peek(1)
		return reference{
			status: resp.StatusCode, close: resp.Close, body: body, err: err,
			whole: err == nil && errors.Is(after, io.EOF),
		}
	}
}

// FuzzAnswerInPieces feeds any bytes to the reader of answers in pieces of any size, as an event loop
// does. It must agree with net/http on everything that the lab reports.
func FuzzAnswerInPieces(f *testing.F) {
	for _, seed := range answerSeeds {
		f.Add([]byte(seed), uint8(7), "GET")
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), uint8(1), "HEAD")
	f.Fuzz(func(t *testing.T, received []byte, size uint8, method string) {
		if method != "GET" && method != "HEAD" || len(received) > maxHead/2 {
			t.Skip()
		}
		want := readByNetHTTP(received, method)
		tg, err := newTarget("h", lab.Target{
			Request: lab.Request{Method: method, Path: "/"}, Status: want.status, Body: want.body,
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		// The second time, the reader knows the head.
		r := answerReader{heads: make([]knownHead, 1)}
		for range 2 {
			got, err := readInPieces(&r, tg, received, int(size)+1)
			// Bytes after the answer may come when it has been read; the next hit finds them.
			late := err == nil && want.err == nil
			if (err == nil) != want.whole && !late {
				t.Fatalf("in pieces: error %v; net/http: whole %v, error %v", err, want.whole, want.err)
			}
			if err == nil && (got.status != want.status || got.bodyDiffers || got.headerDiffers ||
				got.bytesIn != int64(len(want.body)) || got.close != want.close) {
				t.Fatalf("in pieces: %+v; net/http: %+v", got, want)
			}
		}
	})
}

// readInPieces reads one answer from pieces of a size, and the end of the connection.
func readInPieces(r *answerReader, tg target, received []byte, size int) (answer, error) {
	r.begin([]target{tg}, 0)
	defer r.abandon()
	for len(received) > 0 {
		n := min(size, len(received))
		if complete, err := r.feed(received[:n]); complete || err != nil {
			return r.answer, err
		}
		received = received[n:]
	}
	_, err := r.end(io.EOF)
	return r.answer, err
}
