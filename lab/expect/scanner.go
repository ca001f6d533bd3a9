package expect

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is the deepest nesting of a body that is read, as in encoding/json.
const maxDepth = 10_000

// scanner reads JSON (RFC 8259) and compares it with expected values on the way.
type scanner struct {
	data    []byte
	at      int
	invalid bool // the data are not JSON
}

// fail marks the data as invalid and returns false.
func (s *scanner) fail() bool {
	s.invalid = true
	return false
}

// next returns the next byte without reading it, or 0 at the end.
func (s *scanner) next() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// accept reads the next byte if it is c, and reports whether it did.
func (s *scanner) accept(c byte) bool {
	if s.next() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) skipSpace() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// value reads one value and reports whether it is what is wanted; any value is, if want is
// nil.
func (s *scanner) value(want *expected, depth int) bool {
	switch c := s.next(); {
	case depth > maxDepth:
		return s.fail()
	case c == '{':
		return s.object(want, depth)
	case c == '[':
		return s.array(want, depth)
	case c == '"':
		content, escaped := s.text()
		return want == nil || want.kind == stringValue && equalsText(content, escaped, want.text)
	case c == '-' || c >= '0' && c <= '9':
		digits := s.number()
		return want == nil || want.kind == numberValue && want.equalsNumber(digits)
	case c == 't':
		return s.literal("true", want)
	case c == 'f':
		return s.literal("false", want)
	case c == 'n':
		return s.literal("null", want)
	}
	return s.fail()
}

// object reads an object and reports whether it has at least the wanted members. Of
// members with the same name the last one counts, as in most parsers.
func (s *scanner) object(want *expected, depth int) bool {
	var members []member
	if want != nil {
		members = want.members
	}
	var found uint64 // the members that have come with the wanted value
	s.at++
	s.skipSpace()
	for more := !s.accept('}'); more; {
		if s.next() != '"' {
			return s.fail()
		}
		name, escaped := s.text()
		index := -1
		for i := range members {
			if equalsText(name, escaped, members[i].name) {
				index = i
				break
			}
		}
		s.skipSpace()
		if !s.accept(':') {
			return s.fail()
		}
		s.skipSpace()
		if index < 0 {
			s.value(nil, depth+1)
		} else if bit := uint64(1) << index; s.value(&members[index].value, depth+1) {
			found |= bit
		} else {
			found &^= bit
		}
		if more = s.another('}'); s.invalid {
			return false
		}
	}
	return want == nil || want.kind == objectValue && found == 1<<len(members)-1
}

// array reads an array and reports whether it has the wanted elements, and no others.
func (s *scanner) array(want *expected, depth int) bool {
	var elements []expected
	if want != nil {
		elements = want.list
	}
	same, count := true, 0
	s.at++
	s.skipSpace()
	for more := !s.accept(']'); more; count++ {
		if count < len(elements) {
			same = s.value(&elements[count], depth+1) && same
		} else {
			s.value(nil, depth+1)
		}
		if more = s.another(']'); s.invalid {
			return false
		}
	}
	return want == nil || want.kind == arrayValue && same && count == len(elements)
}

// another reads what follows a member or an element. It reports whether one more comes.
func (s *scanner) another(end byte) bool {
	s.skipSpace()
	switch {
	case s.accept(','):
		s.skipSpace()
		return true
	case s.accept(end):
		return false
	}
	return s.fail()
}

func (s *scanner) literal(word string, want *expected) bool {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		return s.fail()
	}
	s.at += len(word)
	return want == nil || want.kind == literalValue && want.text == word
}

// plain marks the bytes of a string that stand for themselves.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// text reads a string and returns its content as written, and whether it has escapes.
func (s *scanner) text() (content []byte, escaped bool) {
	s.at++
	start := s.at
	for {
		rest := s.data[s.at:]
		n := 0
		for n < len(rest) && plain[rest[n]] {
			n++
		}
		s.at += n
		switch {
		case s.accept('"'):
			return s.data[start : s.at-1], escaped
		case s.next() != '\\' || !s.escape():
			s.fail()
			return nil, false
		}
		escaped = true
	}
}

// escape reads an escape sequence and reports whether it is valid.
func (s *scanner) escape() bool {
	size := 2
	if len(s.data)-s.at < size {
		return s.fail()
	}
	switch s.data[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		if size = 6; len(s.data)-s.at < size {
			return s.fail()
		}
		for _, c := range s.data[s.at+2 : s.at+size] {
			if !isHexDigit(c) {
				return s.fail()
			}
		}
	default:
		return s.fail()
	}
	s.at += size
	return true
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unescape returns the character of the escape sequence with which b begins, and the size
// of the sequence. The sequence is valid. Half of a surrogate pair stands for U+FFFD.
func unescape(b []byte) (r rune, size int) {
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(b[1]), 2
	}
	r = hexRune(b[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(b[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hexRune returns the character of four hexadecimal digits.
func hexRune(digits []byte) (r rune) {
	for _, c := range digits {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// number reads a number and returns it as written.
func (s *scanner) number() []byte {
	start := s.at
	s.accept('-')
	if !s.accept('0') {
		s.digits()
	}
	if s.accept('.') {
		s.digits()
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		s.digits()
	}
	return s.data[start:s.at]
}

// digits reads at least one digit.
func (s *scanner) digits() {
	start := s.at
	for s.next() >= '0' && s.next() <= '9' {
		s.at++
	}
	if s.at == start {
		s.fail()
	}
}
