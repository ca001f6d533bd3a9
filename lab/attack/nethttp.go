package attack

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
)

// netHTTPParser reads an answer with net/http's parser, from bytes as they come. The answer is chunked,
// delimited by the end of the connection, preceded by informational answers, without a body, or
// malformed.
//
// The parser is a coroutine: where it would wait for bytes, it returns to feed, which goes on when more
// have come. So no thread waits, and the parser starts anew for no piece.
type netHTTPParser struct {
	reader   *answerReader
	received []byte // not read by the parser yet
	ended    error  // what reading returns after received; nil while the connection is open

	resume func() (struct{}, bool) // continues the parser; false if it has returned
	stop   func()
	wait   func(struct{}) bool // returns to feed; false after stop
	err    error               // of the parser
}

func newNetHTTPParser(r *answerReader) *netHTTPParser {
	p := &netHTTPParser{reader: r}
	p.resume, p.stop = iter.Pull(func(wait func(struct{}) bool) {
		p.wait = wait
		p.err = p.parse()
	})
	return p
}

// feed continues the parser with more bytes and reports whether it has ended: with the whole answer, or
// an error.
func (p *netHTTPParser) feed(received []byte) (ended bool, err error) {
	p.received = received
	if _, waits := p.resume(); waits {
		return false, nil
	}
	if p.err == nil && len(p.received) > 0 {
		p.err = errExtraBytes
	}
	return true, p.err
}

// end continues the parser at the end of the connection and reports whether the answer is complete.
func (p *netHTTPParser) end(err error) (complete bool, _ error) {
	p.ended = err
	_, err = p.feed(nil)
	return err == nil, err
}

var errAbandoned = errors.New("the answer was given up")

// Read returns bytes of the connection to net/http.
func (p *netHTTPParser) Read(b []byte) (int, error) {
	for len(p.received) == 0 {
		if p.ended != nil {
			return 0, p.ended
		}
		if !p.wait(struct{}{}) {
			return 0, errAbandoned
		}
	}
	n := copy(b, p.received)
	p.received = p.received[n:]
	return n, nil
}

func (p *netHTTPParser) parse() error {
	r := p.reader
	limit := &io.LimitedReader{R: p, N: maxHead}
	in := bufio.NewReader(limit)
	resp, err := finalAnswer(in, r.target.method)
	switch {
	case err != nil && limit.N <= 0:
		return errLargeHead
	case err != nil:
		return errorWithinAnswer(err)
	}
	defer resp.Body.Close() // reads nothing more: the body was read, or cannot be
	r.status, r.close = resp.StatusCode, resp.Close
	r.headerDiffers = !r.target.expectsHeader(resp.Header)
	limit.N = math.MaxInt64
	n, err := io.Copy(&r.comparison, resp.Body)
	r.bytesIn += n
	if err != nil {
		return errorWithinAnswer(err)
	}
	r.bodyDiffers = !r.comparison.matches()
	if in.Buffered() > 0 {
		return errExtraBytes
	}
	return nil
}

// finalAnswer reads the head of the final answer and skips informational ones (RFC 9110, section
// 15.2).
func finalAnswer(in *bufio.Reader, method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if !isInformational(resp.StatusCode) {
			return resp, nil
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
	}
}
