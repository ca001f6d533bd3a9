package delivery

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine limits a line of an event stream in bytes.
const maxLine = 1 << 20

// eventReader reads an event stream (HTML standard, 9.2.6 "Interpreting an event stream").
type eventReader struct{ lines *bufio.Scanner }

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	return &eventReader{lines}
}

// readLine returns the next line without its end, or io.EOF.
func (e *eventReader) readLine() (string, error) {
	if e.lines.Scan() {
		return strings.TrimSuffix(e.lines.Text(), "\r"), nil
	}
	if err := e.lines.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

// awaitComment reads until the first comment, with which a server says that the subscriber is in the room.
func (e *eventReader) awaitComment() error {
	line, err := e.readLine()
	if err != nil {
		return fmt.Errorf("awaiting a comment: %w", err)
	}
	if !strings.HasPrefix(line, ":") {
		return fmt.Errorf("the stream begins with %q instead of a comment", excerpt(line))
	}
	return nil
}

// errMalformed is the error of what is no message with a number.
var errMalformed = errors.New("no message with a number")

// next returns the next event: its id as a number, and its data.
func (e *eventReader) next() (number int64, text string, err error) {
	var id string
	var data []string
	for {
		line, err := e.readLine()
		if err != nil {
			return 0, "", err
		}
		if line == "" {
			if data == nil && id == "" {
				continue // the end of a comment
			}
			number, err := strconv.ParseInt(id, 10, 64)
			if err != nil || len(data) != 1 {
				return 0, "", fmt.Errorf("%w: an event has the id %q and %d lines of data", errMalformed,
					excerpt(id), len(data))
			}
			return number, data[0], nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "": // a comment
		case "id":
			id = value
		case "data":
			data = append(data, value)
		case "retry":
		default:
			return 0, "", fmt.Errorf("%w: an event has the field %q", errMalformed, excerpt(field))
		}
	}
}

// splitFrame returns the number and the text of a frame: "17 text".
func splitFrame(frame string) (number int64, text string, err error) {
	digits, text, found := strings.Cut(frame, " ")
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || !found {
		return 0, "", fmt.Errorf("%w: a frame begins with %q", errMalformed, excerpt(frame))
	}
	return number, text, nil
}

// excerpt shortens a text for a message.
func excerpt(text string) string {
	const shown = 60
	if len(text) <= shown {
		return text
	}
	return strings.ToValidUTF8(text[:shown], "") + "…"
}
