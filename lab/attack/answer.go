package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"syscall"
)

// maxHead is the largest head of an answer that is read: status line and fields, in bytes.
const maxHead = 64 << 10

var errLargeHead = fmt.Errorf("the head of the answer is larger than %d KiB", maxHead>>10)

// readAnswer reads one answer, of which the buffer may hold the beginning, and compares it with the
// target's. It parses simple answers here and leaves all others to net/http, from their first byte.
func (c *conn) readAnswer(tg *target) error {
	for {
		received := c.buf[c.begin:c.end]
		head, size, form := parseHead(received)
		switch {
		case form == complexHead || tg.method == http.MethodHead:
			return c.readWithNetHTTP(tg)
		case form == simpleHead:
			c.begin += size
			c.report.status, c.closeAfter = head.status, c.closeAfter || head.close
			c.report.headerDiffers = !tg.expectsHead(received[:size])
			return c.readBody(tg, head.length)
		case len(received) > maxHead:
			return errLargeHead
		}
		if err := c.fill(); err != nil {
			return errorWithinAnswer(err)
		}
	}
}

// readBody reads a body of length bytes and judges it by the target.
func (c *conn) readBody(tg *target, length int64) error {
	comparison := c.compareBody(tg)
	for {
		piece := c.buf[c.begin:c.end]
		piece = piece[:min(int64(len(piece)), length)]
		c.begin += len(piece)
		length -= int64(len(piece))
		c.report.bytesIn += int64(len(piece))
		comparison.add(piece)
		if length == 0 {
			c.report.bodyDiffers = !comparison.matches()
			return nil
		}
		if err := c.fill(); err != nil {
			return errorWithinAnswer(err)
		}
	}
}

// readWithNetHTTP reads an answer with net/http's parser. The answer is chunked, delimited by the
// end of the connection, preceded by informational answers, without a body, or malformed.
func (c *conn) readWithNetHTTP(tg *target) error {
	limit := &io.LimitedReader{R: connReader{c}, N: maxHead}
	in := bufio.NewReader(limit)
	resp, err := finalAnswer(in, tg.method)
	switch {
	case err != nil && limit.N <= 0:
		return errLargeHead
	case err != nil:
		return errorWithinAnswer(err)
	}
	defer resp.Body.Close() // reads nothing more: the body was read, or cannot be
	c.report.status, c.closeAfter = resp.StatusCode, c.closeAfter || resp.Close
	c.report.headerDiffers = !tg.expectsHeader(resp.Header)
	limit.N = math.MaxInt64
	comparison := c.compareBody(tg)
	n, err := io.Copy(&comparison, resp.Body)
	c.report.bytesIn += n
	if err != nil {
		return errorWithinAnswer(err)
	}
	c.report.bodyDiffers = !comparison.matches()
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

// isInformational reports whether another answer follows one with this status, as net/http's
// Transport decides it. Status 101 ends HTTP on its connection. Status 0 is not defined by RFC 9110
// and announces no other answer.
func isInformational(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
}

// connReader lets net/http's parser read from a connection, buffered bytes first.
type connReader struct{ *conn }

func (r connReader) Read(p []byte) (int, error) {
	if r.begin < r.end {
		n := copy(p, r.buf[r.begin:r.end])
		r.begin += n
		return n, nil
	}
	return r.receive(p, r.read)
}

// errorWithinAnswer returns the error for a connection that ended in the middle of an answer.
func errorWithinAnswer(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errClosedDuringAnswer
	}
	return err
}

// answerHead holds what the framing of an answer depends on.
type answerHead struct {
	status int
	length int64
	close  bool // the server closes the connection after this answer
}

// headForm classifies the beginning of an answer.
type headForm int

const (
	needMoreBytes headForm = iota // the head is not complete
	simpleHead                    // parseHead has parsed it
	complexHead                   // net/http must parse it
)

// parseHead parses the head of a simple answer and returns its size in bytes. Simple means
// HTTP/1.1, a final status that has a body, one Content-Length, and well-formed fields. parseHead
// accepts only what net/http would read the same way and returns complexHead for everything else.
func parseHead(b []byte) (h answerHead, size int, f headForm) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		// Lines may end without a carriage return.
		if bytes.Contains(b, []byte("\n\n")) || bytes.Contains(b, []byte("\n\r\n")) {
			return h, 0, complexHead
		}
		return h, 0, needMoreBytes
	}
	line, rest := cutLine(b[:end+2])
	if !h.parseStatus(line) {
		return h, 0, complexHead
	}
	h.length = -1
	connection := false
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		name, value, ok := cutField(line)
		switch {
		case !ok, equalFoldASCII(name, "transfer-encoding"):
			return h, 0, complexHead
		case equalFoldASCII(name, "content-length"):
			if h.length >= 0 {
				return h, 0, complexHead
			}
			if h.length, ok = parseLength(value); !ok {
				return h, 0, complexHead
			}
		case equalFoldASCII(name, "connection"):
			h.close = equalFoldASCII(value, "close")
			if connection || !h.close && !equalFoldASCII(value, "keep-alive") {
				return h, 0, complexHead
			}
			connection = true
		}
	}
	if h.length < 0 {
		return h, 0, complexHead
	}
	return h, end + 4, simpleHead
}

// cutLine splits b after its first line and strips that line's CRLF.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return b[:i+1], b[i+1:] // keep a stray line end: it makes the field invalid
	}
	return b[:i-1], b[i+1:]
}

// parseStatus parses a status line such as "HTTP/1.1 200 OK". It reports whether the line is
// well-formed and its status is final and has a body.
func (h *answerHead) parseStatus(line []byte) bool {
	const proto = "HTTP/1.1 "
	if len(line) < len(proto)+3 || string(line[:len(proto)]) != proto || !isPrintable(line) {
		return false
	}
	code := line[len(proto):]
	if len(code) > 3 && code[3] != ' ' {
		return false
	}
	for _, d := range code[:3] {
		if d < '0' || d > '9' {
			return false
		}
		h.status = h.status*10 + int(d-'0')
	}
	return h.status >= 200 && h.status != http.StatusNoContent && h.status != http.StatusNotModified
}

// cutField splits "name: value" and reports whether both are well-formed: the name is a token, the
// value has no control characters except tabs (RFC 9110, section 5).
func cutField(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return nil, nil, false
	}
	name, value = line[:colon], bytes.Trim(line[colon+1:], " \t")
	for _, c := range name {
		if !tokenChars[c] {
			return nil, nil, false
		}
	}
	return name, value, isPrintable(value)
}

// isPrintable reports whether b has no control characters except tabs.
func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenChars marks the characters that a field's name may have (RFC 9110, section 5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		t[c] = c <= '9' || c >= 'a' || c >= 'A' && c <= 'Z'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// parseLength parses a Content-Length. It accepts at most 15 digits, which cannot overflow.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) < 1 || len(b) > 15 {
		return 0, false
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, true
}

// equalFoldASCII reports whether b equals the lower-case word, ignoring case.
func equalFoldASCII(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
