package attack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// maxHead is the largest head of an answer that is read: status line and fields, in bytes.
const maxHead = 64 << 10

var (
	errLargeHead          = fmt.Errorf("the head of the answer is larger than %d KiB", maxHead>>10)
	errExtraBytes         = errors.New("the server sent bytes after the end of its answer")
	errClosedBeforeAnswer = errors.New("the server closed the connection before it answered")
	errClosedDuringAnswer = errors.New("the server closed the connection before the end of its answer")
)

// answer is what one request brought.
type answer struct {
	status        int
	bytesIn       int64 // size of the body
	bodyDiffers   bool  // the body is not what the target expects
	headerDiffers bool  // the header is not what the target expects
	close         bool  // the server closes the connection after this answer
}

// answerReader reads one answer after another, from bytes as they come, and compares each with what its
// target expects. It parses simple answers here and leaves all others to net/http, from their first
// byte. It keeps no bytes but an incomplete head and a body that is judged by its members.
type answerReader struct {
	answer
	target *target
	heads  []knownHead // one for each target, or one for all
	index  int         // of the target

	begun      bool   // bytes have come
	head       []byte // an incomplete head
	inBody     bool   // the head has been read
	missing    int64  // bytes of the body that have not come
	comparison bodyComparison
	body       []byte         // of an answer that is judged by its members
	parser     *netHTTPParser // nil unless net/http reads this answer
}

// knownHead is the last simple head that answered a target, with what it says. Most answers of a server
// have the same head as the one before, and comparing bytes is cheaper than parsing them.
type knownHead struct {
	target        int
	bytes         []byte
	parsed        answerHead
	headerDiffers bool
}

// begin prepares for the answer to targets[index].
func (r *answerReader) begin(targets []target, index int) {
	r.answer, r.target, r.index = answer{}, &targets[index], index
	r.begun, r.head, r.inBody = false, r.head[:0], false
	r.comparison = compareBody(r.target, &r.body)
}

// feed takes the next bytes of the connection. It reports whether the answer is complete.
func (r *answerReader) feed(received []byte) (complete bool, err error) {
	r.begun = true
	switch {
	case r.parser != nil:
		return r.parse(received)
	case r.inBody:
		return r.takeBody(received)
	}
	if len(r.head) > 0 {
		r.head = append(r.head, received...)
		received = r.head
	}
	size, form := r.readHead(received)
	switch {
	case form == complexHead || r.target.method == http.MethodHead:
		r.parser = newNetHTTPParser(r)
		return r.parse(received)
	case form == simpleHead:
		r.inBody = true
		return r.takeBody(received[size:])
	case len(received) > maxHead:
		return false, errLargeHead
	case len(r.head) == 0:
		r.head = append(r.head, received...)
	}
	return false, nil
}

// readHead reads the head at the beginning of received, if it is complete and simple, and returns its
// size.
func (r *answerReader) readHead(received []byte) (size int, form headForm) {
	known := &r.heads[r.index%len(r.heads)]
	if known.target != r.index || len(known.bytes) == 0 || !bytes.HasPrefix(received, known.bytes) {
		var parsed answerHead
		if parsed, size, form = parseHead(received); form != simpleHead {
			return 0, form
		}
		known.target, known.parsed = r.index, parsed
		known.bytes = append(known.bytes[:0], received[:size]...)
		known.headerDiffers = !r.target.expectsHead(received[:size])
	}
	r.status, r.close, r.missing = known.parsed.status, known.parsed.close, known.parsed.length
	r.headerDiffers = known.headerDiffers
	return len(known.bytes), simpleHead
}

// takeBody judges the next bytes of a body of known length.
func (r *answerReader) takeBody(received []byte) (complete bool, err error) {
	piece := received[:min(int64(len(received)), r.missing)]
	r.missing -= int64(len(piece))
	r.bytesIn += int64(len(piece))
	r.comparison.add(piece)
	if r.missing > 0 {
		return false, nil
	}
	r.bodyDiffers = !r.comparison.matches()
	if len(piece) < len(received) {
		return true, errExtraBytes
	}
	return true, nil
}

// parse hands the next bytes to net/http's parser.
func (r *answerReader) parse(received []byte) (complete bool, err error) {
	if complete, err = r.parser.feed(received); complete {
		r.parser = nil
	}
	return complete, err
}

// end tells the reader that the connection has ended with err, which is io.EOF or an error of the
// kernel's. The answer may be complete by that. Otherwise the error is that of the hit.
func (r *answerReader) end(err error) (complete bool, _ error) {
	if r.parser != nil {
		parser := r.parser
		r.parser = nil
		return parser.end(err)
	}
	if r.begun {
		return false, errorWithinAnswer(err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		err = errClosedBeforeAnswer
	}
	return false, err
}

// abandon gives up an answer that is not complete.
func (r *answerReader) abandon() {
	if r.parser != nil {
		r.parser.stop()
		r.parser = nil
	}
}

// isInformational reports whether another answer follows one with this status, as net/http's
// Transport decides it. Status 101 ends HTTP on its connection. Status 0 is not defined by RFC 9110
// and announces no other answer.
func isInformational(status int) bool {
	return status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
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
