package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/attack"
	"runtimelab/lab/fault"
)

// Client sends commands to one agent and reads its replies in order. It discards the reply to a
// cancelled call when that reply comes.
//
// The party of the agent caused every error of a Client, with three exceptions: whoever ended a
// call's context, a server without a correct answer (see AwaitFirstAnswer), and arguments that
// cannot be encoded.
type Client struct {
	party   fault.Party
	in      io.Writer
	replies chan reply
	readErr error // why replies ended; valid once replies is closed

	mu     sync.Mutex
	lastID int
}

// NewClient returns a client of the agent of party, whose standard input is in and whose standard
// output is out. It reads out until out ends.
func NewClient(party fault.Party, in io.Writer, out io.Reader) *Client {
	// When the cell is closed, one reply may remain for which no call waits.
	c := &Client{party: party, in: in, replies: make(chan reply, 1)}
	go c.readReplies(out)
	return c
}

func (c *Client) readReplies(out io.Reader) {
	defer close(c.replies)
	lines := json.NewDecoder(out)
	for {
		var r reply
		if err := lines.Decode(&r); err != nil {
			c.readErr = err
			return
		}
		c.replies <- r
	}
}

// call sends one request and decodes its reply into result.
func (c *Client) call(ctx context.Context, verb string, arguments, result any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	encoded, err := json.Marshal(arguments)
	if err != nil {
		return fmt.Errorf("encoding %s for the cell: %w", verb, err)
	}
	if err := json.NewEncoder(c.in).Encode(request{ID: c.lastID, Verb: verb, Arguments: encoded}); err != nil {
		return fault.By(c.party, fmt.Errorf("sending %s to the cell: %w", verb, err))
	}
	r, err := c.awaitReply(ctx, verb)
	if err != nil {
		return err
	}
	switch {
	case r.Error != "" && verb == verbAwait:
		return errors.New(r.Error)
	case r.Error != "":
		return fault.By(c.party, errors.New(r.Error))
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return fault.By(c.party, fmt.Errorf("reading the cell's reply to %s: %w", verb, err))
	}
	return nil
}

// awaitReply returns the reply to the last request and discards older ones.
func (c *Client) awaitReply(ctx context.Context, verb string) (reply, error) {
	for {
		select {
		case <-ctx.Done():
			return reply{}, context.Cause(ctx)
		case r, more := <-c.replies:
			switch {
			case !more && errors.Is(c.readErr, io.EOF):
				return r, fault.By(c.party, fmt.Errorf("the cell ended during %s", verb))
			case !more:
				return r, fault.By(c.party, fmt.Errorf("reading the cell's reply to %s: %w", verb, c.readErr))
			case r.ID > c.lastID:
				return r, fault.By(c.party, fmt.Errorf("the cell replied to request %d instead of %d (%s); "+
					"the lab and its agent may be from different builds", r.ID, c.lastID, verb))
			case r.ID == c.lastID:
				return r, nil
			}
		}
	}
}

// Probe returns the topology of the cell: its CPUs, network interfaces, sysctls and conditions.
func (c *Client) Probe(ctx context.Context) (t lab.Topology, err error) {
	return t, c.call(ctx, verbProbe, struct{}{}, &t)
}

// AwaitFirstAnswer waits for a server's first correct answer and returns when it came, by the
// cell's clock. The error for a server that gives none in time names no party: the caller knows
// which server it is.
func (c *Client) AwaitFirstAnswer(ctx context.Context, req AwaitRequest) (at time.Time, err error) {
	return at, c.call(ctx, verbAwait, req, &at)
}

// Send sends each request once and returns the answers in order. An answer's Error is set if no
// answer came.
func (c *Client) Send(ctx context.Context, baseURL string, requests []lab.Request) ([]lab.Answer, error) {
	packed, err := packRequests(requests)
	if err != nil {
		return nil, err
	}
	var result packedAnswers
	if err := c.call(ctx, verbCheck, sendArguments{baseURL, packed}, &result); err != nil {
		return nil, err
	}
	answers, err := result.unpack()
	return answers, fault.During(ctx, c.party, err)
}

// CheckSubscribers subscribes to rooms of a server, publishes, and returns how the server breaks the
// rule.
func (c *Client) CheckSubscribers(ctx context.Context, r CheckRequest) (faults []lab.DeliveryFault,
	err error,
) {
	return faults, c.call(ctx, verbRooms, r, &faults)
}

// TellServices tells the agent which services run in its cell. Readings attribute processes to them.
func (c *Client) TellServices(ctx context.Context, all []Service) error {
	return c.call(ctx, verbServices, all, &struct{}{})
}

// Attack runs one attack and returns its result, with readings of the machine before and after it.
func (c *Client) Attack(ctx context.Context, a lab.Attack) (o account.Observation, err error) {
	return o, c.call(ctx, verbAttack, a, &o)
}

// CrossCheck runs one attack by the generator of package crosscheck.
func (c *Client) CrossCheck(ctx context.Context, a lab.Attack) (r lab.CrossReading, err error) {
	return r, c.call(ctx, verbCrossCheck, a, &r)
}

// ReadHits calls each with the hits that the last attack kept, chunk by chunk, in the order in
// which they ended.
func (c *Client) ReadHits(ctx context.Context, each func([]lab.Hit) error) error {
	return attack.ReadHits(&spoolReader{ctx: ctx, client: c}, each)
}

// RunCanaries runs one canary on each of the CPUs at the same time.
func (c *Client) RunCanaries(ctx context.Context, cpus []int) (canaries []lab.Canary, err error) {
	return canaries, c.call(ctx, verbCanary, cpus, &canaries)
}

// Listeners returns the TCP sockets of the cell that accept connections.
func (c *Client) Listeners(ctx context.Context) (all []lab.Listener, err error) {
	return all, c.call(ctx, verbListen, struct{}{}, &all)
}

// Count asks a database on a port of the cell what it has counted so far.
func (c *Client) Count(
	ctx context.Context, port int, q lab.CountQuery,
) (counts lab.DatabaseCounts, err error) {
	return counts, c.call(ctx, verbCount, countArguments{port, q}, &counts)
}

// spoolReader reads a cell's spool chunk by chunk.
type spoolReader struct {
	ctx    context.Context
	client *Client
	offset int64
	unread []byte
}

func (r *spoolReader) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		var next spoolChunk
		if err := r.client.call(r.ctx, verbRead, spoolChunk{Offset: r.offset}, &next); err != nil {
			return 0, err
		}
		if len(next.Bytes) == 0 {
			return 0, io.EOF
		}
		r.unread = next.Bytes
		r.offset += int64(len(next.Bytes))
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}
