package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"runtimelab/lab"
)

const (
	verbProbe  = "probe"
	verbAwait  = "await"
	verbCheck  = "check"
	verbAttack = "attack"
	verbRead   = "read"
	verbCanary = "canary"
	verbListen = "listeners"
	verbRooms  = "rooms"
	verbCount  = "count"

	verbServices   = "services"
	verbCrossCheck = "crosscheck"
)

type request struct {
	ID        int             `json:"id"`
	Verb      string          `json:"verb"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// AwaitRequest describes a server or service whose first correct answer is awaited.
type AwaitRequest struct {
	BaseURL string `json:"base_url"`
	// Target is what a server is asked. An empty body matches any, as do AnyStatus and 0: see Target.
	Target  lab.Target     `json:"target"`
	Ready   *lab.Readiness `json:"ready,omitempty"` // of a service, in place of Target
	Timeout time.Duration  `json:"patience_ns"`
}

// spoolChunk is a chunk of the hits that the last attack kept.
type spoolChunk struct {
	Offset int64  `json:"offset"`
	Bytes  []byte `json:"bytes,omitempty"` // empty at the end
}

// spoolChunkSize is the largest chunk of a spool in one reply, in bytes.
const spoolChunkSize = 1 << 20

type sendArguments struct {
	BaseURL  string `json:"base_url"`
	Requests []byte `json:"requests"` // []lab.Request, packed
}

// CheckRequest describes a check of the messages that come to the subscribers of a server.
type CheckRequest struct {
	BaseURL string               `json:"base_url"`
	Rule    lab.SubscriptionRule `json:"rule"`
}

type countArguments struct {
	Port  int            `json:"port"`
	Query lab.CountQuery `json:"query"`
}

// packedAnswers holds []lab.Answer, compressed. A contract's streams are megabytes, which take
// seconds to read as JSON under the race detector.
type packedAnswers struct {
	Answers []byte `json:"answers"`
}

func packAnswers(answers []lab.Answer) (packedAnswers, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		// Encode one answer at a time: both ends hold a whole message in memory.
		each := gob.NewEncoder(z)
		for _, a := range answers {
			err = errors.Join(err, each.Encode(a))
		}
		err = errors.Join(err, z.Close())
	}
	if err != nil {
		return packedAnswers{}, fmt.Errorf("packing answers: %w", err)
	}
	return packedAnswers{out.Bytes()}, nil
}

func (a packedAnswers) unpack() (answers []lab.Answer, err error) {
	z, err := gzip.NewReader(bytes.NewReader(a.Answers))
	if err != nil {
		return nil, fmt.Errorf("unpacking answers: %w", err)
	}
	for each := gob.NewDecoder(z); ; {
		var next lab.Answer
		switch err := each.Decode(&next); {
		case errors.Is(err, io.EOF):
			return answers, nil
		case err != nil:
			return nil, fmt.Errorf("unpacking answers: %w", err)
		}
		answers = append(answers, next)
	}
}

// packedRequest is a request with a run-length encoded body. The contract's oversized bodies repeat
// one letter for megabytes; as JSON, or compressed, they would cost every run a second per variant.
// Finding runs costs little, and bodies without runs are small.
type packedRequest struct {
	Request lab.Request // without its body
	Body    []byteRun
}

// byteRun is a sequence of bytes, repeated.
type byteRun struct {
	Bytes []byte
	Times int
}

// byteRunSize is the number of bytes that are compared at a time: a multiple of one repeated
// letter, or two.
const byteRunSize = 1024

func packRequests(requests []lab.Request) ([]byte, error) {
	all := make([]packedRequest, len(requests))
	for i, r := range requests {
		all[i].Body = runLengthEncode(r.Body)
		r.Body = nil
		all[i].Request = r
	}
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(all); err != nil {
		return nil, fmt.Errorf("packing requests: %w", err)
	}
	return out.Bytes(), nil
}

func runLengthEncode(body []byte) (all []byteRun) {
	for len(body) > 0 {
		next := body[:min(byteRunSize, len(body))]
		body = body[len(next):]
		if last := len(all) - 1; last >= 0 && bytes.Equal(all[last].Bytes, next) {
			all[last].Times++
			continue
		}
		all = append(all, byteRun{Bytes: next, Times: 1})
	}
	return all
}

func unpackRequests(text []byte) ([]lab.Request, error) {
	var all []packedRequest
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&all); err != nil {
		return nil, fmt.Errorf("unpacking requests: %w", err)
	}
	requests := make([]lab.Request, len(all))
	for i, p := range all {
		requests[i] = p.Request
		for _, s := range p.Body {
			requests[i].Body = append(requests[i].Body, bytes.Repeat(s.Bytes, s.Times)...)
		}
	}
	return requests, nil
}
