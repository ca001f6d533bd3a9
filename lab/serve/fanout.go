package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/coder/websocket"

	"runtimelab/lab"
)

const (
	fanoutMaxMessage = 4096
	fanoutMaxHeld    = 256 << 10 // for a subscriber that does not read, in bytes
)

// FanoutOptions say what a fan-out reference does other than a server should.
type FanoutOptions struct {
	Faults    FanoutFaults
	Skip      int64         // every Skip-th number is given to no message; 0: none is left out
	Delay     time.Duration // from publish to delivery
	Batch     time.Duration // deliveries wait for the end of a period of this length; 0: they do not
	Unbounded bool          // it holds any amount for a subscriber that does not read
}

// fanout delivers messages to the subscribers of rooms, with known faults. It measures by its own clock
// how long each message waited between its publish and its delivery.
type fanout struct {
	options FanoutOptions
	began   time.Time
	faults  map[FanoutFault]bool

	mu    sync.Mutex
	rooms map[string]*fanoutRoom

	statsMu sync.Mutex
	waits   *hdrhistogram.Histogram
	made    []FanoutFault // so far, in all rooms
}

// fanoutRoom numbers messages and knows its subscribers.
type fanoutRoom struct {
	mu          sync.Mutex
	last        int64
	arrived     int
	subscribers map[*fanoutSubscriber]bool
}

// fanoutMessage is a message on its way to a subscriber.
type fanoutMessage struct {
	number   int64
	text     string
	received time.Time
	due      time.Time
}

func newFanout(o FanoutOptions) *fanout {
	f := &fanout{
		options: o, began: time.Now(), rooms: make(map[string]*fanoutRoom), faults: make(map[FanoutFault]bool),
		waits: hdrhistogram.New(1, int64(time.Minute), 3),
	}
	for _, x := range o.Faults.List() {
		f.faults[x] = true
	}
	return f
}

// RunFanout runs a fan-out reference on a listener until ctx ends. Command does the same by its
// arguments.
func RunFanout(ctx context.Context, l *net.TCPListener, o FanoutOptions) error {
	return newFanout(o).serve(ctx, l)
}

func (f *fanout) serve(ctx context.Context, l *net.TCPListener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /rooms/{room}/messages", f.postMessage)
	mux.HandleFunc("GET /rooms/{room}/events", f.getEvents)
	mux.HandleFunc("GET /rooms/{room}/socket", f.getSocket)
	mux.HandleFunc("GET "+FanoutFaultsPath, f.getFaults)
	mux.HandleFunc(lab.ServiceTimesPath, f.serviceTimes)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, ResponseBody) })
	server := &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return ctx }}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// isMessage reports whether a text may be published: valid UTF-8 of 1 to fanoutMaxMessage bytes without
// control characters.
func isMessage(text string) bool {
	if text == "" || len(text) > fanoutMaxMessage || !utf8.ValidString(text) {
		return false
	}
	for i := range len(text) {
		if text[i] < 0x20 || text[i] == 0x7f {
			return false
		}
	}
	return true
}

func (f *fanout) room(r *http.Request) *fanoutRoom {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.PathValue("room")
	room := f.rooms[name]
	if room == nil {
		room = &fanoutRoom{subscribers: make(map[*fanoutSubscriber]bool)}
		f.rooms[name] = room
	}
	return room
}

// publish numbers a message and gives it to the room's subscribers.
func (f *fanout) publish(room *fanoutRoom, text string) (number int64) {
	now := time.Now()
	m := fanoutMessage{text: text, received: now, due: now.Add(f.options.Delay)}
	if b := f.options.Batch; b > 0 {
		m.due = m.due.Add(b - m.due.Sub(f.began)%b)
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	room.last++
	if f.options.Skip > 0 && room.last%f.options.Skip == 0 {
		room.last++
	}
	m.number = room.last
	for s := range room.subscribers {
		s.push(m)
	}
	return m.number
}

func (f *fanout) postMessage(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, fanoutMaxMessage))
	w.Header().Set("Content-Type", "application/json")
	if err != nil || !isMessage(string(body)) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"not a valid message"}`)
		return
	}
	_, _ = fmt.Fprintf(w, `{"number":%d}`, f.publish(f.room(r), string(body)))
}

func (f *fanout) getEvents(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	room := f.room(r)
	s := room.subscribe(f, r, func() {
		cancel()
		_ = out.SetWriteDeadline(time.Now())
	})
	defer room.unsubscribe(s)
	write := func(text string) error {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	if write(": subscribed\n\n") == nil {
		s.run(ctx,
			func(m fanoutMessage) error { return write(fmt.Sprintf("id: %d\ndata: %s\n\n", m.number, m.text)) })
	}
	panic(http.ErrAbortHandler) // the stream has no end: the connection has
}

func (f *fanout) getSocket(w http.ResponseWriter, r *http.Request) {
	room := f.room(r)
	opened := make(chan *websocket.Conn, 1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := room.subscribe(f, r, func() {
		cancel()
		if conn := <-opened; conn != nil {
			_ = conn.CloseNow()
		}
	})
	defer room.unsubscribe(s)
	conn, err := websocket.Accept(w, r, nil)
	opened <- conn
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	go func() {
		s.run(ctx, func(m fanoutMessage) error {
			return conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "%d %s", m.number, m.text))
		})
	}()
	conn.SetReadLimit(fanoutMaxMessage)
	for {
		kind, frame, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageText || !isMessage(string(frame)) {
			_ = conn.Close(websocket.StatusPolicyViolation, "not a message")
			return
		}
		f.publish(room, string(frame))
	}
}

// getFaults answers with the faults that were made so far.
func (f *fanout) getFaults(w http.ResponseWriter, _ *http.Request) {
	f.statsMu.Lock()
	made := slices.Clone(f.made)
	f.statsMu.Unlock()
	slices.SortFunc(made, compareFaults)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(made)
}

// serviceTimes answers with how long messages waited until they were delivered. DELETE begins anew.
func (f *fanout) serviceTimes(w http.ResponseWriter, r *http.Request) {
	f.statsMu.Lock()
	defer f.statsMu.Unlock()
	if r.Method == http.MethodDelete {
		f.waits.Reset()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(summarise(f.waits))
}

func (f *fanout) recordWait(d time.Duration) {
	f.statsMu.Lock()
	defer f.statsMu.Unlock()
	_ = f.waits.RecordValue(min(int64(d), int64(time.Minute)))
}

func (f *fanout) recordFault(x FanoutFault) {
	f.statsMu.Lock()
	defer f.statsMu.Unlock()
	f.made = append(f.made, x)
}

// subscribe adds a subscriber, which close disconnects. Its index is that of the query, or else its place
// among those that came to the room.
func (r *fanoutRoom) subscribe(f *fanout, request *http.Request, disconnect func()) *fanoutSubscriber {
	r.mu.Lock()
	defer r.mu.Unlock()
	index, err := strconv.Atoi(request.URL.Query().Get(FanoutSubscriberParameter))
	if err != nil {
		index = r.arrived
	}
	r.arrived++
	s := &fanoutSubscriber{
		server: f, index: index, disconnect: sync.OnceFunc(disconnect),
		wake: make(chan struct{}, 1),
	}
	r.subscribers[s] = true
	return s
}

func (r *fanoutRoom) unsubscribe(s *fanoutSubscriber) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.subscribers, s)
}
