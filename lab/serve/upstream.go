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

	"runtimelab/lab"
)

// upstream is a service that applications call: it answers after the requested number of
// milliseconds, any number of requests at once. It may share a CPU with the generator, so
// it parses only what it needs and allocates little.
type upstream struct{ calls atomic.Int64 }

// upstreamBuffer is the size of a connection's buffer, for one line of a request. It is
// small because there may be 20,000 connections.
const upstreamBuffer = 1 << 10

var (
	doneAnswer       = okAnswer("text/plain", []byte("done"))
	badRequestAnswer = answerBytes(http.StatusBadRequest, "text/plain",
		[]byte("send GET /wait?ms=N without a body"))
)

func (s *upstream) serve(ctx context.Context, l *net.TCPListener) error {
	return serveConnections(ctx, l, func(c net.Conn) {
		in := bufio.NewReaderSize(c, upstreamBuffer)
		for {
			r, err := readCall(in)
			if err != nil {
				return // the client has closed, or sent something invalid
			}
			if err := s.answer(c, r); err != nil || r.closeAfter {
				return
			}
		}
	})
}

// answer writes the answer to one request, after its delay.
func (s *upstream) answer(w io.Writer, r upstreamCall) error {
	switch {
	case r.isCount:
		return writeJSON(w, lab.CallCount{Count: s.calls.Load()})
	case !r.isWait:
		_, err := w.Write(badRequestAnswer)
		return err
	}
	s.calls.Add(1)
	time.Sleep(r.delay) // cheaper than a channel and a timer that ctx can stop
	_, err := w.Write(doneAnswer)
	return err
}

// upstreamCall is a parsed request. One that is neither a count nor a wait is refused.
type upstreamCall struct {
	isCount    bool // GET CallsPath
	isWait     bool // GET /wait with a number of milliseconds
	delay      time.Duration
	closeAfter bool // close the connection after the answer
}

// readCall reads a request's head. It does not read bodies: a request with a body is
// refused, and its connection closes.
func readCall(in *bufio.Reader) (upstreamCall, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return upstreamCall{}, err
	}
	var r upstreamCall
	target, isHTTP11 := bytes.CutSuffix(bytes.TrimRight(line, "\r\n"), []byte(" HTTP/1.1"))
	target, get := bytes.CutPrefix(target, []byte("GET "))
	r.closeAfter = !isHTTP11
	r.isCount = get && string(target) == CallsPath
	if ms, ok := bytes.CutPrefix(target, []byte("/wait?ms=")); get && ok {
		n, err := strconv.ParseUint(string(ms), 10, 32)
		r.isWait, r.delay = err == nil, time.Duration(n)*time.Millisecond
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
			r.isCount, r.isWait, r.closeAfter = false, false, true
		}
	}
}
