package eventloop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newLoop returns a loop that ends with the test.
func newLoop(t *testing.T, sleeps bool) *Loop {
	t.Helper()
	l, err := New(time.Now(), sleeps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// inBothModes runs a test on a loop that polls and on one that sleeps.
func inBothModes(t *testing.T, test func(t *testing.T, l *Loop)) {
	for _, sleeps := range []bool{false, true} {
		t.Run(fmt.Sprintf("sleeps %v", sleeps), func(t *testing.T) { test(t, newLoop(t, sleeps)) })
	}
}

// listen returns the address of a server that calls serve for each connection.
func listen(t *testing.T, serve func(c net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// echo sends everything back.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// peer is a connection that writes, reads and keeps what came.
type peer struct {
	Conn
	loop     *Loop
	unsent   []byte
	received []byte
	want     int // bytes to receive before the loop stops
	opened   int
	writable int // calls
	err      error
}

func (p *peer) connect(to netip.AddrPort, o Options) { p.Connect(p.loop, to, p, o) }

func (p *peer) Opened(err error) {
	p.opened++
	if p.err = err; err != nil {
		p.loop.Stop()
		return
	}
	p.send()
}

func (p *peer) send() {
	n, err := p.Write(p.unsent)
	p.unsent = p.unsent[n:]
	p.err = err
}

func (p *peer) Writable() {
	p.writable++
	p.send()
}

func (p *peer) Readable() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.Read(buffer)
		p.received = append(p.received, buffer[:n]...)
		if err != nil {
			if !errors.Is(err, syscall.EAGAIN) {
				p.err = err
				p.loop.Stop()
			}
			return
		}
		if len(p.received) >= p.want {
			p.loop.Stop()
		}
		if n < len(buffer) {
			return
		}
	}
}

// run runs the loop until it stops, at most for a minute.
func run(t *testing.T, l *Loop) {
	t.Helper()
	late := NewTimer(func() {
		t.Error("the loop did not stop")
		l.Stop()
	})
	l.SetTimer(&late, l.Now()+time.Minute)
	defer l.StopTimer(&late)
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

// A write that the socket does not take at once goes on when there is room, while the answer is read.
func TestAConnectionSendsAndReceivesMoreThanASocketHolds(t *testing.T) {
	inBothModes(t, func(t *testing.T, l *Loop) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<19)
		p := peer{loop: l, unsent: sent, want: len(sent)}
		p.connect(listen(t, echo), Options{})
		if !p.IsOpen() {
			run(t, l)
		}
		for p.err == nil && len(p.received) < len(sent) {
			run(t, l)
		}
		if !bytes.Equal(p.received, sent) || p.opened != 1 || p.writable == 0 {
			t.Errorf("received %d of %d bytes, opened %d times, writable %d times, error %v",
				len(p.received), len(sent), p.opened, p.writable, p.err)
		}
	})
}

// The last bytes and the end may come with one event.
func TestTheEndIsReadWhereItComesWithTheLastBytes(t *testing.T) {
	inBothModes(t, func(t *testing.T, l *Loop) {
		for range 20 {
			p := peer{loop: l, want: 1 << 20}
			p.connect(listen(t, func(c net.Conn) { _, _ = c.Write([]byte("bye")) }), Options{})
			time.Sleep(5 * time.Millisecond) // mostly until both are there; not needed to pass
			run(t, l)
			if string(p.received) != "bye" || !errors.Is(p.err, io.EOF) {
				t.Fatalf("received %q, error %v", p.received, p.err)
			}
			p.Close()
		}
	})
}

func TestARefusedConnectionHasTheErrorOfPackageNet(t *testing.T) {
	l := newLoop(t, false)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := server.Addr().(*net.TCPAddr).AddrPort()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	_, want := net.Dial("tcp", to.String())
	p := peer{loop: l}
	if p.connect(to, Options{}); p.opened == 0 {
		run(t, l)
	}
	if p.err == nil || want == nil || p.err.Error() != want.Error() || p.IsOpen() {
		t.Errorf("error %v; package net: %v", p.err, want)
	}
}

// A closed connection can be opened again, also by a handler.
func TestAConnectionCanBeOpenedAgain(t *testing.T) {
	l := newLoop(t, false)
	to := listen(t, echo)
	p := peer{loop: l, want: 5}
	for range 100 {
		p.unsent, p.received = []byte("hello"), nil
		p.connect(to, Options{ReceiveBuffer: 4096})
		run(t, l)
		if string(p.received) != "hello" {
			t.Fatalf("received %q, error %v", p.received, p.err)
		}
		p.Close()
	}
}

func TestTimersFireInOrderAndNotBeforeTheyAreDue(t *testing.T) {
	inBothModes(t, func(t *testing.T, l *Loop) {
		const n = 200
		var fired []int
		timers := make([]Timer, n)
		begin := l.Now()
		due := func(i int) time.Duration { return begin + time.Duration(i*7919%n)*50*time.Microsecond }
		for i := range timers {
			timers[i] = NewTimer(func() {
				if early := due(i) - l.Now(); early > 0 {
					t.Errorf("timer %d fired %v before it was due", i, early)
				}
				if fired = append(fired, i); len(fired) == n-n/10 {
					l.Stop()
				}
			})
			l.SetTimer(&timers[i], begin+time.Hour)
			l.SetTimer(&timers[i], due(i))
		}
		for i := 0; i < n; i += 10 {
			l.StopTimer(&timers[i])
		}
		run(t, l)
		inOrder := slices.IsSortedFunc(fired, func(a, b int) int { return int(due(a) - due(b)) })
		if !inOrder || slices.ContainsFunc(fired, func(i int) bool { return i%10 == 0 }) {
			t.Errorf("fired %v", fired)
		}
	})
}

// A timer that is always due keeps no event from its handler.
func TestTimersLeaveEventsTheirTurn(t *testing.T) {
	l := newLoop(t, false)
	p := peer{loop: l, unsent: []byte("hello"), want: 5}
	var busy Timer
	busy = NewTimer(func() { l.SetTimer(&busy, 0) })
	l.SetTimer(&busy, 0)
	p.connect(listen(t, echo), Options{})
	run(t, l)
	if string(p.received) != "hello" {
		t.Errorf("received %q, error %v", p.received, p.err)
	}
}

func TestInterruptEndsALoopForGood(t *testing.T) {
	inBothModes(t, func(t *testing.T, l *Loop) {
		ended := make(chan error)
		go func() { ended <- l.Run() }()
		time.Sleep(10 * time.Millisecond) // so that it mostly runs; not needed to pass
		l.Interrupt()
		if err := <-ended; !errors.Is(err, ErrInterrupted) {
			t.Errorf("error %v", err)
		}
		if err := l.Run(); !errors.Is(err, ErrInterrupted) {
			t.Errorf("run again: error %v", err)
		}
	})
}

// Time without work is idle, unless the loop sleeps. It is less if other threads have the CPU.
func TestIdleIsTheTimeWithoutWork(t *testing.T) {
	inBothModes(t, func(t *testing.T, l *Loop) {
		begin := l.Now()
		end := NewTimer(l.Stop)
		l.SetTimer(&end, begin+50*time.Millisecond)
		run(t, l)
		took := l.Now() - begin
		if idle := l.Idle(); idle > took || l.sleeps != (idle == 0) {
			t.Errorf("idle for %v of %v", idle, took)
		}
	})
}

// A handler may close a connection of which another event is in the same turn, and open a new one that
// gets the same descriptor. The event is not the new one's.
func TestAnEventOfAClosedConnectionIsForNobody(t *testing.T) {
	l := newLoop(t, false)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	to := server.Addr().(*net.TCPAddr).AddrPort()
	var peers [2]peer
	var far [2]net.Conn
	for i := range peers {
		peers[i] = peer{loop: l, want: 1}
		for peers[i].connect(to, Options{}); !peers[i].IsOpen(); { // mostly it is open at once
			if _, err := l.turn(); err != nil || peers[i].err != nil {
				t.Fatal(err, peers[i].err)
			}
		}
		if far[i], err = server.Accept(); err != nil {
			t.Fatal(err)
		}
		defer far[i].Close()
	}
	for _, c := range far {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	replaced := &replacer{peers: &peers, to: to}
	for i := range peers {
		peers[i].handler = replaced
	}
	run(t, l)
	if replaced.calls != 1 {
		t.Errorf("%d events were handled, want the first one only", replaced.calls)
	}
}

// replacer closes both connections at the first event and opens them anew.
type replacer struct {
	peers *[2]peer
	to    netip.AddrPort
	calls int
}

func (r *replacer) Opened(error) {}
func (r *replacer) Writable()    {}
func (r *replacer) Readable() {
	if r.calls++; r.calls > 1 {
		return
	}
	l := r.peers[0].loop
	for i := range r.peers {
		r.peers[i].Close()
	}
	for i := range r.peers {
		r.peers[i].Connect(l, r.to, r, Options{})
	}
	end := NewTimer(l.Stop)
	l.SetTimer(&end, l.Now()+20*time.Millisecond)
}

func TestAnErrorSaysWhatItIsOf(t *testing.T) {
	p := peer{loop: newLoop(t, false)}
	p.connect(netip.MustParseAddrPort("[::1]:1"), Options{})
	if p.opened == 0 {
		run(t, p.loop)
	}
	if p.err == nil || !strings.HasPrefix(p.err.Error(), "dial tcp [::1]:1: ") {
		t.Errorf("error %v", p.err)
	}
}
