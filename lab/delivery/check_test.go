package delivery

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"runtimelab/lab"
	"runtimelab/lab/serve"
)

// testRule is a rule like that of the workloads, with fewer messages.
var testRule = lab.SubscriptionRule{
	Publish: "/rooms/{room}/messages", Events: "/rooms/{room}/events", Socket: "/rooms/{room}/socket",
	Messages: 1500, MessageBytes: 256, MaxMessageBytes: 4096, MinHeldBytes: 128 << 10, MaxHeldBytes: 256 << 10,
}

// startFanout runs a fan-out reference and returns its base URL.
func startFanout(t *testing.T, o serve.FanoutOptions) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.RunFanout(t.Context(), l.(*net.TCPListener), o) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// kindsOf returns the kinds of faults, each once.
func kindsOf(faults []lab.DeliveryFault) (kinds []lab.DeliveryFaultKind) {
	for _, f := range faults {
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// A server with a fault is found by its name, and one without has none.
func TestCheckFindsAServersFaultByName(t *testing.T) {
	deliveries := serve.FanoutFaults{Seed: 1, Subscribers: 4, Messages: 1500}
	with := func(change func(*serve.FanoutFaults)) serve.FanoutOptions {
		f := deliveries
		change(&f)
		return serve.FanoutOptions{Faults: f}
	}
	for name, c := range map[string]struct {
		options serve.FanoutOptions
		want    []lab.DeliveryFaultKind
	}{
		"none":  {serve.FanoutOptions{}, nil},
		"delay": {serve.FanoutOptions{Delay: 2 * time.Millisecond}, nil},
		// Of 6,000 deliveries one is lost.
		"lost": {with(func(f *serve.FanoutFaults) { f.Lost = 1 }), []lab.DeliveryFaultKind{lab.DeliveryLost}},
		"doubled": {
			with(func(f *serve.FanoutFaults) { f.Doubled = 1 }),
			[]lab.DeliveryFaultKind{lab.DeliveryDoubled},
		},
		"swapped": {
			with(func(f *serve.FanoutFaults) { f.Swapped = 1 }), []lab.DeliveryFaultKind{lab.DeliveryReordered},
		},
		"crossed": {
			with(func(f *serve.FanoutFaults) { f.Crossed = 1 }), []lab.DeliveryFaultKind{lab.DeliveryDiffers},
		},
		"skip":      {serve.FanoutOptions{Skip: 1000}, []lab.DeliveryFaultKind{lab.DeliveryGap}},
		"unbounded": {serve.FanoutOptions{Unbounded: true}, []lab.DeliveryFaultKind{lab.DeliveryUnbounded}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults, err := Check(t.Context(), startFanout(t, c.options), "room-", testRule)
			if err != nil {
				t.Fatal(err)
			}
			if got := kindsOf(faults); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v: %v", got, c.want, faults)
			}
		})
	}
}

// A server that cannot be subscribed to is refused, with the reason.
func TestCheckNamesWhatIsNotAccepted(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	faults, err := Check(t.Context(), server.URL, "room-", testRule)
	if err != nil {
		t.Fatal(err)
	}
	if got := kindsOf(faults); !slices.Equal(got, []lab.DeliveryFaultKind{lab.DeliveryRefused}) ||
		!strings.Contains(faults[0].Text, "the status is 404 instead of 200") {
		t.Errorf("found %v", faults)
	}
}

// A server that compresses frames where the client offers it is found.
func TestCheckFindsExtensions(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionContextTakeover,
		})
		if err == nil {
			_ = conn.CloseNow()
		}
	}))
	defer server.Close()
	if _, err := openSocket(t.Context(), newClient(0), server.URL); !errors.Is(err, errExtension) {
		t.Errorf("the error is %v", err)
	}
}

// A server that loses one message in 10,000 is found by the check that the workload asks for.
func TestCheckOfTheWorkloadFindsOneLossIn10000(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "workloads", "chat", "workload.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Subscribers lab.SubscriptionRule `json:"subscribers"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	// At each of four subscribers one of 10,000 messages on average.
	faults := serve.FanoutFaults{Seed: 7, Subscribers: 4, Messages: int64(doc.Subscribers.Messages)}
	faults.Lost = 4 * doc.Subscribers.Messages / 10_000
	found, err := Check(t.Context(), startFanout(t, serve.FanoutOptions{Faults: faults}), "room-",
		doc.Subscribers)
	if err != nil {
		t.Fatal(err)
	}
	if got := kindsOf(found); !slices.Equal(got, []lab.DeliveryFaultKind{lab.DeliveryLost}) {
		t.Errorf("found %v", found)
	}
}
