package attack

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"runtimelab/lab"
)

// hitter sends one hit after another over one connection, as a generator does.
type hitter interface {
	hit(t testing.TB) (exchangeReport, error)
	counts() (bytesIn, bytesOut, dialled int64)
	// age makes the connection idle for longer.
	age(by time.Duration)
}

// hitterOn returns a hitter of a generator whose only target expects status 200 and body.
func hitterOn(t *testing.T, g lab.Generator, url, body string, change func(*lab.Attack)) hitter {
	t.Helper()
	if g == lab.Vegeta {
		return vegetaHitter{transportOn(t, url, body, change)}
	}
	a := attackBy(g, url, lab.Peak)
	a.Connections = 1
	a.Targets[0].Body = []byte(body)
	if change != nil {
		change(&a)
	}
	return loopOn(t, a)
}

func hit(t testing.TB, h hitter) (exchangeReport, error) {
	t.Helper()
	return h.hit(t)
}

type vegetaHitter struct{ *transport }

func (h vegetaHitter) hit(t testing.TB) (exchangeReport, error) { return vegetaHit(t, h.transport) }
func (h vegetaHitter) age(by time.Duration)                     { h.conns[0].lastUsed -= by }

// vegetaHit sends one hit as Vegeta does and returns the report.
func vegetaHit(t testing.TB, tr *transport) (exchangeReport, error) {
	t.Helper()
	req, err := http.NewRequest("GET", targetURL(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: tr}
	resp, err := client.Do(req)
	if err != nil {
		return exchangeReport{}, err
	}
	encoded, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	r, ok := decodeReport(encoded)
	if !ok || r.status != resp.StatusCode {
		t.Fatalf("the report has %d bytes and status %d; the answer has status %d",
			len(encoded), r.status, resp.StatusCode)
	}
	return r, nil
}

// loopHitter is an attack on one event loop that is let send one hit at a time.
type loopHitter struct {
	*requester
	allowed uint64 // hits
}

func loopOn(t *testing.T, a lab.Attack) *loopHitter {
	t.Helper()
	d, err := newLoopDriver(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	if err := d.requesters[0].openConnections(); err != nil {
		t.Fatal(err)
	}
	d.prepare()
	h := &loopHitter{requester: d.requesters[0]}
	h.source.pacer = h
	h.sendUntil = time.Hour
	h.free.put(h.clients[0])
	h.loop.SetTimer(&h.timers.overdue, 0)
	return h
}

// Pace lets so many hits be sent as are allowed.
func (h *loopHitter) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	return 0, hits == h.allowed
}

func (h *loopHitter) Rate(time.Duration) float64 { return 0 }

func (h *loopHitter) hit(t testing.TB) (exchangeReport, error) {
	t.Helper()
	h.allowed++
	h.sending = true
	h.loop.SetTimer(&h.timers.send, 0)
	if err := h.loop.Run(); err != nil {
		t.Fatal(err)
	}
	c := h.clients[0]
	if !c.hit.answered {
		return exchangeReport{}, errors.New(c.hit.failure)
	}
	return exchangeReport{
		answer: c.reader.answer, sent: c.hit.sent, firstByteAt: c.hit.firstByte, endAt: c.hit.end,
	}, nil
}

func (h *loopHitter) counts() (bytesIn, bytesOut, dialled int64) {
	return h.bytesIn, h.bytesOut, h.dialled
}

func (h *loopHitter) age(by time.Duration) { h.clients[0].lastUsed -= by }
