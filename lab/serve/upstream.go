package serve

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// upstream is what an application waits for: it answers after as many
// milliseconds as it is asked to, as many requests at once as there are. It
// shares a CPU with the generator, so it reads of a request only what it needs
// and keeps nothing of it.
type upstream struct{ hits atomic.Int64 }

// upstreamBuffer is for one line of a request: twenty thousand connections have
// one each.
const upstreamBuffer = 1 << 10

var (
	doneAnswer       = okAnswer("text/plain", []byte("done"))
	badRequestAnswer = answerBytes(http.StatusBadRequest, "text/plain",
		[]byte("ask GET /wait?ms=N, without a body"))
)

func (s *upstream) serve(ctx context.Context, l *net.TCPListener) error {
	return serveConnections(ctx, l, func(c net.Conn) {
		in := bufio.NewReaderSize(c, upstreamBuffer)
		for {
			r, err := readCall(in)
			if err != nil {
				return // the client has gone, or makes no sense
			}
			if err := s.answer(c, r); err != nil || r.closeAfter {
				return
			}
		}
	})
}

func (s *upstream) answer(w io.Writer, r upstreamCall) error {
	switch {
	case r.hits:
		return writeJSON(w, CallCount{Count: s.hits.Load()})
	case !r.wait:
		_, err := w.Write(badRequestAnswer)
		return err
	}
	s.hits.Add(1)
	time.Sleep(r.delay) // a goroutine's own timer is the cheapest there is
	_, err := w.Write(doneAnswer)
	return err
}

// upstreamCall is what a request asks of the upstream.
type upstreamCall struct {
	hits       bool // a GET of CallsPath
	wait       bool // a GET of /wait with a number of milliseconds
	delay      time.Duration
	closeAfter bool // of its connection
}

// readCall reads a request's head. A request with a body is refused and the
// last, because the body is not read.
func readCall(in *bufio.Reader) (upstreamCall, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return upstreamCall{}, err
	}
	var r upstreamCall
	target, current := bytes.CutSuffix(bytes.TrimRight(line, "\r\n"), []byte(" HTTP/1.1"))
	target, get := bytes.CutPrefix(target, []byte("GET "))
	r.closeAfter = !current
	r.hits = get && string(target) == CallsPath
	if ms, is := bytes.CutPrefix(target, []byte("/wait?ms=")); get && is {
		n, err := strconv.ParseUint(string(ms), 10, 32)
		r.wait, r.delay = err == nil, time.Duration(n)*time.Millisecond
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return upstreamCall{}, err
		}
		name, value, isField := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		switch {
		case len(name) == 0 && !isField:
			return r, nil
		case bytes.EqualFold(name, []byte("connection")):
			r.closeAfter = r.closeAfter || bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		case bytes.EqualFold(name, []byte("transfer-encoding")),
			bytes.EqualFold(name, []byte("content-length")) && string(bytes.TrimSpace(value)) != "0":
			r.hits, r.wait, r.closeAfter = false, false, true
		}
	}
}
