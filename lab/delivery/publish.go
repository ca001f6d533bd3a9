package delivery

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// publication is a message that was published.
type publication struct {
	sent     time.Time
	answered time.Time // a frame: when all subscribers had what was published with it, or zero
	number   int64     // that the request was answered with; 0: a frame
	sender   int       // the socket of a frame, from 1; 0: a request
}

// maxAnswer limits the answer to a publish in bytes.
const maxAnswer = 4 << 10

// publish publishes a message by a request and returns its number.
func (c *checker) publish(ctx context.Context, room, text string) (number int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(c.rule.Publish, room),
		strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(string(body), `{"number":%d}`, &number); err != nil ||
		answer.StatusCode != http.StatusOK || string(body) != fmt.Sprintf(`{"number":%d}`, number) {
		return 0, fmt.Errorf("a message of %d bytes is answered with %d %q instead of 200 and its number",
			len(text), answer.StatusCode, excerpt(string(body)))
	}
	return number, nil
}

// url returns the address of a path in a room.
func (c *checker) url(path, room string) string {
	return c.baseURL + strings.ReplaceAll(path, "{room}", room)
}
