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

// maxHead is the largest head of an answer that is read, status line and all
// fields together.
const maxHead = 64 << 10

var errLargeHead = fmt.Errorf("the head of the answer is larger than %d KiB", maxHead>>10)

// readAnswer reads one answer, of which the buffer holds the beginning, and
// compares it with the target's. An answer of the usual form is read here;
// every other one, by net/http from its first byte.
func (c *conn) readAnswer(tg *target) error {
	for {
		received := c.buf[c.begin:c.end]
		h, size, form := parseHead(received)
		switch {
		case form == complexHead || tg.method == http.MethodHead:
			return c.readWithNetHTTP(tg)
		case form == simpleHead:
			c.begin += size
			c.report.status, c.closeAfter = h.status, c.closeAfter || h.close
			return c.readBody(tg, h.length)
		case len(received) > maxHead:
			return errLargeHead
		}
		if err := c.fill(); err != nil {
			return errorWithinAnswer(err)
		}
	}
}

// readBody reads a body of known length.
func (c *conn) readBody(tg *target, length int64) error {
	same := bodyComparison{want: tg.body}
	for {
		have := c.buf[c.begin:c.end]
		have = have[:min(int64(len(have)), length)]
		c.begin += len(have)
		length -= int64(len(have))
		c.report.bytesIn += int64(len(have))
		same.add(have)
		if length == 0 {
			c.report.bodyDiffers = !same.matches()
			return nil
		}
		if err := c.fill(); err != nil {
			return errorWithinAnswer(err)
		}
	}
}

// readWithNetHTTP reads an answer with net/http's parser: chunked, up to the end of
// the connection, informational ones before the final one, without a body
// where there might be one, or malformed in some way.
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
	defer resp.Body.Close() // which reads nothing: the body has been read, or cannot be
	c.report.status, c.closeAfter = resp.StatusCode, c.closeAfter || resp.Close
	limit.N = math.MaxInt64
	same := bodyComparison{want: tg.body}
	n, err := io.Copy(&same, resp.Body)
	c.report.bytesIn += n
	if err != nil {
		return errorWithinAnswer(err)
	}
	c.report.bodyDiffers = !same.matches()
	if in.Buffered() > 0 {
		return errExtraBytes
	}
	return nil
}

// finalAnswer reads the head of the answer that informational ones may precede
// (RFC 9110, 15.2).
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

// isInformational is as net/http's Transport has it: 101 is the last answer of its
// connection, and 0 is none of RFC 9110's, but no promise of another one either.
func isInformational(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
}

// connReader is a connection as net/http's parser reads from it: what the
// buffer holds first.
type connReader struct{ *conn }

func (r connReader) Read(p []byte) (int, error) {
	if r.begin < r.end {
		n := copy(p, r.buf[r.begin:r.end])
		r.begin += n
		return n, nil
	}
	return r.receive(p, r.read)
}

// errorWithinAnswer says what the end of a connection means within an answer.
func errorWithinAnswer(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errClosedDuringAnswer
	}
	return err
}

// bodyComparison compares a body with what it must be, piece by piece.
type bodyComparison struct {
	want    []byte // what is yet to come
	differs bool
}

func (c *bodyComparison) add(piece []byte) {
	if c.differs || !bytes.HasPrefix(c.want, piece) {
		c.differs = true
		return
	}
	c.want = c.want[len(piece):]
}

func (c *bodyComparison) Write(piece []byte) (int, error) {
	c.add(piece)
	return len(piece), nil
}

// matches reports whether the body was the one wanted, and all of it.
func (c *bodyComparison) matches() bool { return !c.differs && len(c.want) == 0 }

// answerHead is what the framing of an answer depends on.
type answerHead struct {
	status int
	length int64
	close  bool // the server ends the connection after this answer
}

// headForm is what parseHead makes of the beginning of an answer.
type headForm int

const (
	needMoreBytes headForm = iota // more bytes are needed to tell
	simpleHead
	complexHead // net/http is to read it
)

// parseHead reads the head of an answer of the usual form and returns its size
// in bytes: HTTP/1.1, a final status that has a body, a Content-Length, well-formed
// fields. It takes nothing for usual that net/http would refuse or read
// otherwise, and leaves whatever it does not know to net/http.
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

// cutLine splits after the first line, which ends with CRLF and comes without.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return b[:i+1], b[i+1:] // a stray end of line stays in: no field is valid with it
	}
	return b[:i-1], b[i+1:]
}

// parseStatus reads "HTTP/1.1 200 OK".
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

// cutField splits "name: value" and reports whether both are well-formed: the
// name a token, the value without control characters but tabs (RFC 9110, 5).
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

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenChars is the characters of a field's name (RFC 9110, 5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		t[c] = c <= '9' || c >= 'a' || c >= 'A' && c <= 'Z'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// parseLength reads a number of bytes that cannot overflow.
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

// equalFoldASCII reports whether b is the lower-case word, in any case.
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
