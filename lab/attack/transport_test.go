package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"runtimelab/lab"
)

// scripted starts a server that answers each connection's requests with these bytes in turn, then
// closes the connection.
func scripted(t *testing.T, answers ...string) (url string, requests chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests = make(chan *http.Request, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for _, answer := range answers {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					requests <- req
					if _, err := c.Write([]byte(answer)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), requests
}

// transportOn returns a transport of one connection whose only target expects status 200 and body.
func transportOn(t *testing.T, url, body string, change func(*lab.Attack)) *transport {
	t.Helper()
	a := attackOn(url, lab.Peak)
	a.Connections = 1
	a.Targets[0].Body = []byte(body)
	if change != nil {
		change(&a)
	}
	tr, err := newTransport(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	return tr
}

func TestTransportReadsEveryFraming(t *testing.T) {
	withEachGenerator(t, testTransportReadsEveryFraming)
}

func testTransportReadsEveryFraming(t *testing.T, g lab.Generator) {
	long := strings.Repeat("0123456789", 10_000)
	for name, c := range map[string]struct {
		method, answer, body string
		status               int
	}{
		"content length":       {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200},
		"longer than a buffer": {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + long, long, 200},
		"large head": {"GET", "HTTP/1.1 200 OK\r\nX: " + long[:40_000] +
			"\r\nContent-Length: 5\r\n\r\nhello", "hello", 200},
		"bare line feeds": {"GET", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", 200},
		"chunked": {
			"GET",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
			"hello", 200,
		},
		"until close": {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "hello", 200},
		"HTTP/1.0":    {"GET", "HTTP/1.0 200 OK\r\n\r\nhello", "hello", 200},
		"after 100 continue": {
			"GET",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200,
		},
		"after 103 early hints": {
			"GET",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200,
		},
		"204":  {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
		"HEAD": {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", 200},
		"redirect": {
			"GET", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "",
			302,
		},
		"307": {
			"GET",
			"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "", 307,
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := scripted(t, c.answer)
			tr := hitterOn(t, g, url, c.body, func(a *lab.Attack) { a.Targets[0].Request.Method = c.method })
			r, err := hit(t, tr)
			if err != nil || r.status != c.status || r.bodyDiffers || r.bytesIn != int64(len(c.body)) {
				t.Errorf("%+v, error %v", r, err)
			}
			if r.firstByteAt < r.sent || r.endAt < r.firstByteAt {
				t.Errorf("sent %v, first byte %v, end %v", r.sent, r.firstByteAt, r.endAt)
			}
		})
	}
}

func TestTransportReportsWhatIsWrongWithAnAnswer(t *testing.T) {
	withEachGenerator(t, testTransportReportsWhatIsWrongWithAnAnswer)
}

func testTransportReportsWhatIsWrongWithAnAnswer(t *testing.T, g lab.Generator) {
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":     {"", "before it answered"},
		"half a head": {"HTTP/1.1 200 OK\r\nContent-Le", "before the end of its answer"},
		"half a body": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "before the end of its answer"},
		"half a chunk": {
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
			"before the end of its answer",
		},
		"too much": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello again", "after the end of its answer"},
		"too much, chunked": {
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nx",
			"after the end of its answer",
		},
		"no HTTP": {"SSH-2.0-OpenSSH\r\n\r\n", "malformed HTTP"},
		"two lengths": {
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
			"Content-Length",
		},
		"a head without end": {
			"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 0123456789\r\n", 10_000),
			"larger than 64 KiB",
		},
		"a head without end or carriage returns": {
			"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n" + strings.Repeat("X: 0123456789\n", 10_000),
			"larger than 64 KiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := scripted(t, c.answer)
			_, err := hit(t, hitterOn(t, g, url, "hello", nil))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestTransportComparesBodies(t *testing.T) { withEachGenerator(t, testTransportComparesBodies) }

func testTransportComparesBodies(t *testing.T, g lab.Generator) {
	for _, c := range []struct{ got, want string }{
		{"hello", "hellO"},
		{"hello", "hello!"},
		{"hello", "hell"},
		{"", "x"},
		{"x", ""},
	} {
		for _, form := range []string{
			"Content-Length: %d\r\n\r\n%s",
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		} {
			if c.got == "" && strings.HasPrefix(form, "Transfer") {
				continue // an empty chunk is the last one
			}
			url, _ := scripted(t, "HTTP/1.1 200 OK\r\n"+fmt.Sprintf(form, len(c.got), c.got))
			r, err := hit(t, hitterOn(t, g, url, c.want, nil))
			if err != nil || !r.bodyDiffers {
				t.Errorf("%q in place of %q: %+v, error %v", c.got, c.want, r, err)
			}
		}
	}
}

func TestTransportSendsTheTargetAsWritten(t *testing.T) {
	withEachGenerator(t, testTransportSendsTheTargetAsWritten)
}

func testTransportSendsTheTargetAsWritten(t *testing.T, g lab.Generator) {
	for _, perRequest := range []bool{false, true} {
		url, requests := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		tr := hitterOn(t, g, url, "", func(a *lab.Attack) {
			a.ConnectionPerRequest = perRequest
			a.Targets[0].Request = lab.Request{
				Method: "POST", Path: "/echo?x=1", Body: []byte(`{"a":1}`),
				Header: map[string]string{"Content-Type": "application/json"},
			}
		})
		if _, err := hit(t, tr); err != nil {
			t.Fatal(err)
		}
		got := <-requests
		if got.Method != "POST" || got.RequestURI != "/echo?x=1" || got.ContentLength != 7 ||
			got.Close != perRequest ||
			got.Header.Get("Content-Type") != "application/json" || got.Host == "" {
			t.Errorf("the server read %s %s, %d bytes, close %v, %v",
				got.Method, got.RequestURI, got.ContentLength, got.Close, got.Header)
		}
		for _, name := range []string{"X-Vegeta-Seq", "User-Agent", "Accept-Encoding"} {
			if _, sent := got.Header[name]; sent {
				t.Errorf("the request has the header %s, which its target does not", name)
			}
		}
		if _, out, _ := tr.counts(); out != 7 {
			t.Errorf("counted %d bytes out for a body of 7", out)
		}
	}
}

func TestTransportNeverRetries(t *testing.T) { withEachGenerator(t, testTransportNeverRetries) }

func testTransportNeverRetries(t *testing.T, g lab.Generator) {
	// one answer per connection, then close
	url, requests := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	tr := hitterOn(t, g, url, "", nil)
	var failed []bool
	for range 4 {
		_, err := hit(t, tr)
		failed = append(failed, err != nil)
		time.Sleep(20 * time.Millisecond) // let the close arrive
	}
	if want := []bool{false, true, false, true}; !slices.Equal(failed, want) {
		t.Errorf("failures %v, want %v: a closed connection fails one hit, and the next one dials", failed, want)
	}
	if len(requests) != 2 {
		t.Errorf("the server read %d requests, want 2", len(requests))
	}
}

// A connection that the server ended while it was idle does not fail the next hit.
func TestTransportChecksAnIdleConnection(t *testing.T) {
	withEachGenerator(t, testTransportChecksAnIdleConnection)
}

func testTransportChecksAnIdleConnection(t *testing.T, g lab.Generator) {
	url, _ := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	tr := hitterOn(t, g, url, "", nil)
	for range 3 {
		if _, err := hit(t, tr); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		tr.age(2 * idleCheckAfter)
	}
	if _, _, dialled := tr.counts(); dialled != 3 {
		t.Errorf("dialled %d times, want 3", dialled)
	}
}

func TestTransportDialsForEachRequestIfAsked(t *testing.T) {
	withEachGenerator(t, testTransportDialsForEachRequestIfAsked)
}

func testTransportDialsForEachRequestIfAsked(t *testing.T, g lab.Generator) {
	for _, perRequest := range []bool{false, true} {
		var connections atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(hello))
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		}
		server.Start()
		defer server.Close()
		tr := hitterOn(t, g, server.URL, "hello", func(a *lab.Attack) { a.ConnectionPerRequest = perRequest })
		for range 5 {
			if r, err := hit(t, tr); err != nil || r.bodyDiffers {
				t.Fatalf("%+v, error %v", r, err)
			}
		}
		want := int64(1)
		if perRequest {
			want = 5
		}
		if _, _, dialled := tr.counts(); connections.Load() != want || dialled != want {
			t.Errorf("connection per request %v: %d connections, %d dialled, want %d",
				perRequest, connections.Load(), dialled, want)
		}
	}
}

func TestTransportTimesOut(t *testing.T) { withEachGenerator(t, testTransportTimesOut) }

func testTransportTimesOut(t *testing.T, g lab.Generator) {
	for name, answer := range map[string]string{
		"no answer":      "",
		"half an answer": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
		"half a chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					defer c.Close() // when the test ends: the connection stays open
					_, _ = c.Write([]byte(answer))
				}
			}()
			tr := hitterOn(t, g, "http://"+l.Addr().String(), "",
				func(a *lab.Attack) { a.Timeout = 50 * time.Millisecond })
			for range 2 { // the second hit dials a new connection
				if _, err := hit(t, tr); err == nil || !strings.Contains(err.Error(), errTimeout.Error()) {
					t.Errorf("error %v, want a timeout", err)
				}
			}
		})
	}
}

// A sleeping generator is woken when an exchange is due, and not to find out whether one is.
func TestTimeoutWatchWaitsForTheNextTimeout(t *testing.T) {
	tr := &transport{timeout: time.Hour, epoch: time.Now().Add(-2 * time.Hour)}
	c := newConn(tr)
	tr.conns = []*conn{c}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c.tcp = near
	if d := tr.expireOverdue(); d != 6*time.Minute {
		t.Errorf("without an exchange the watch sleeps for %v, want a tenth of the timeout", d)
	}
	c.exchangeStart.Store(int64(tr.now() - 59*time.Minute))
	if d := tr.expireOverdue(); d <= 0 || d > time.Minute {
		t.Errorf("with an exchange that is due in a minute the watch sleeps for %v", d)
	}
	c.exchangeStart.Store(int64(tr.now() - 61*time.Minute))
	if tr.expireOverdue(); c.exchangeStart.Load() != exchangeExpired {
		t.Error("an overdue exchange was not cancelled")
	}
}

// Both sides send more than the sockets hold: neither may wait for the other to finish.
func TestTransportWritesAndReadsAtOnce(t *testing.T) {
	withEachGenerator(t, testTransportWritesAndReadsAtOnce)
}

func testTransportWritesAndReadsAtOnce(t *testing.T, g lab.Generator) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	tr := hitterOn(t, g, server.URL, string(body), func(a *lab.Attack) {
		a.Targets[0].Request = lab.Request{Method: "POST", Path: "/", Body: body}
		a.Timeout = time.Minute
	})
	for range 2 { // the connection can be used again
		if r, err := hit(t, tr); err != nil || r.bodyDiffers || r.bytesIn != int64(len(body)) {
			t.Fatalf("%+v, error %v", r, err)
		}
	}
	if in, out, dialled := tr.counts(); in != 2*int64(len(body)) || out != in || dialled != 1 {
		t.Errorf("%d bytes in, %d out, dialled %d times", in, out, dialled)
	}
}

func TestTransportAcceptsAnAnswerBeforeTheRequestIsSent(t *testing.T) {
	withEachGenerator(t, testTransportAcceptsAnAnswerBeforeTheRequestIsSent)
}

func testTransportAcceptsAnAnswerBeforeTheRequestIsSent(t *testing.T, g lab.Generator) {
	url, _ := scripted(t, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	tr := hitterOn(t, g, url, "big", func(a *lab.Attack) {
		a.Targets[0].Status = 413
		a.Targets[0].Request = lab.Request{Method: "POST", Path: "/", Body: make([]byte, 32<<20)}
	})
	r, err := hit(t, tr)
	if err != nil || r.status != 413 || r.bodyDiffers {
		t.Errorf("%+v, error %v", r, err)
	}
	if _, out, _ := tr.counts(); out >= 32<<20 {
		t.Errorf("counted %d bytes of the body as sent, but the server read none", out)
	}
}

func TestTransportReadsAnswersInPieces(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world"
	for cut := 1; cut < len(answer); cut++ {
		near, far := pair(t)
		tr := transportOn(t, "http://127.0.0.1:1", "hello world", nil)
		adopt(t, tr, near)
		go func() {
			_, _ = http.ReadRequest(bufio.NewReader(far))
			_, _ = far.Write([]byte(answer[:cut]))
			runtime.Gosched()
			_, _ = far.Write([]byte(answer[cut:]))
		}()
		if r, err := vegetaHit(t, tr); err != nil || r.bodyDiffers {
			t.Fatalf("cut at %d: %+v, error %v", cut, r, err)
		}
	}
}

// pair returns the two ends of a connection.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	// TCP would not do: a fuzzer uses up its ports within seconds.
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socketpair")
		ends[i], err = net.FileConn(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ends[i].Close() })
	}
	return ends[0], ends[1]
}

// adopt makes an end of a pair the transport's only connection.
func adopt(t testing.TB, tr *transport, end net.Conn) {
	t.Helper()
	raw, err := end.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	c := tr.conns[0]
	c.tcp, c.raw, c.lastUsed = end, raw, tr.now()
}

func TestExchangeAllocatesNothing(t *testing.T) {
	const body = `{"id":7,"at":"12:00:01"}`
	byMembers := &lab.Expectation{JSON: []byte(`{"id":7}`), Header: map[string]string{"x-version": "2"}}
	for name, expectation := range map[string]*lab.Expectation{"exact": nil, "by members": byMembers} {
		tr := transportOn(t, "http://127.0.0.1:1", body, func(a *lab.Attack) {
			a.Targets[0].Request.Answer = expectation
		})
		if allocated := allocationsPerExchange(t, tr, body); allocated > 0 {
			t.Errorf("%s: %.2f allocations per exchange, want none", name, allocated)
		}
	}
}

// allocationsPerExchange returns the allocations of an exchange with a server that answers with body.
// The answer must be the one that the target expects.
func allocationsPerExchange(t *testing.T, tr *transport, body string) float64 {
	t.Helper()
	near, far := pair(t)
	adopt(t, tr, near)
	go func() {
		answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nX-Version: 2\r\nContent-Length: %d\r\n\r\n%s",
			len(body), body)
		request := make([]byte, 1024)
		for {
			if _, err := far.Read(request); err != nil {
				return
			}
			if _, err := far.Write(answer); err != nil {
				return
			}
		}
	}()
	return testing.AllocsPerRun(1000, func() {
		c := tr.pool.take()
		c.report = exchangeReport{sent: tr.now()}
		if err := c.exchange(0); err != nil || c.report.bodyDiffers || c.report.headerDiffers {
			t.Fatalf("%+v, error %v", c.report, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
