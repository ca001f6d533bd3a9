package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

const (
	dialTimeout = 10 * time.Second
	// stalledReceiveBuffer is the receive buffer of a subscriber that stops reading, in bytes: so little
	// of what it does not read lies in its own socket.
	stalledReceiveBuffer = 4 << 10
)

// receipt is a message that came to a subscriber.
type receipt struct {
	number int64
	id     int // unknown: the text was not published to the room
}

// stream is a subscription's connection, over either transport.
type stream interface {
	// next returns the next message. errMalformed is its error if what came is none.
	next(ctx context.Context) (number int64, text string, err error)
	close()
}

// subscriber reads the messages of one room.
type subscriber struct {
	name    string // for messages: "events subscriber 1"
	stream  stream
	firstID int // of the first message that was published after it subscribed

	mu       sync.Mutex
	receipts []receipt
	ended    error // why its connection ended; nil while it is open
}

// listen reads messages, each of size bytes, until the connection ends.
func (s *subscriber) listen(ctx context.Context, room string, size int) {
	for {
		number, text, err := s.stream.next(ctx)
		s.mu.Lock()
		if err != nil {
			s.ended = err
			s.mu.Unlock()
			return
		}
		s.receipts = append(s.receipts, receipt{number, messageID(room, text, size)})
		s.mu.Unlock()
	}
}

// received returns the number of messages so far, and why the connection ended.
func (s *subscriber) received() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.receipts), s.ended
}

// newClient returns an HTTP client without compression. receiveBuffer sets the size of the receive
// buffer of its sockets; 0 leaves the kernel's.
func newClient(receiveBuffer int) *http.Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	if receiveBuffer > 0 {
		dialer.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			controlErr := raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
			})
			return errors.Join(controlErr, err)
		}
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true, MaxIdleConnsPerHost: requestPublishers,
	}}
}

// eventStream is a subscription by server-sent events.
type eventStream struct {
	body   io.ReadCloser
	events *eventReader
	cancel context.CancelFunc
}

// errExtension is the error of a server that negotiates what no load asks for.
var errExtension = errors.New("negotiated")

// openEvents subscribes by server-sent events, and returns when the server says that the subscriber is
// in its room.
func openEvents(ctx context.Context, client *http.Client, url string) (stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(dialTimeout, cancel)
	defer late.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip, deflate")
	answer, err := client.Do(request) //nolint:bodyclose // the stream closes it
	if err != nil {
		cancel()
		return nil, err
	}
	s := &eventStream{body: answer.Body, events: newEventReader(answer.Body), cancel: cancel}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";") // the encoding is always UTF-8
	switch encoding := answer.Header.Get("Content-Encoding"); {
	case answer.StatusCode != http.StatusOK:
		err = fmt.Errorf("the status is %d instead of 200", answer.StatusCode)
	case kind != "text/event-stream":
		err = fmt.Errorf("the content-type is %q instead of text/event-stream", kind)
	case encoding != "":
		err = fmt.Errorf("%w: the stream has the content-encoding %s", errExtension, encoding)
	default:
		err = s.events.awaitComment()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *eventStream) next(context.Context) (number int64, text string, err error) {
	return s.events.next()
}

func (s *eventStream) close() {
	s.cancel()
	_ = s.body.Close() // it was only read from
}

// socketStream is a subscription by WebSocket.
type socketStream struct{ conn *websocket.Conn }

// openSocket subscribes by WebSocket. It offers compression, which a server must not accept.
func openSocket(ctx context.Context, client *http.Client, url string) (*socketStream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: client, CompressionMode: websocket.CompressionContextTakeover,
	})
	if answer != nil && answer.Body != nil {
		defer answer.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	if accepted := answer.Header.Get("Sec-WebSocket-Extensions"); accepted != "" {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("%w: the handshake accepts the extension %s", errExtension, accepted)
	}
	conn.SetReadLimit(maxLine)
	return &socketStream{conn}, nil
}

func (s *socketStream) next(ctx context.Context) (number int64, text string, err error) {
	kind, frame, err := s.conn.Read(ctx)
	if err != nil {
		return 0, "", err
	}
	if kind != websocket.MessageText {
		return 0, "", fmt.Errorf("%w: a binary frame came", errMalformed)
	}
	return splitFrame(string(frame))
}

// publish sends a text frame.
func (s *socketStream) publish(ctx context.Context, text string) error {
	return s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

func (s *socketStream) close() { _ = s.conn.CloseNow() } // the server may have closed it before
