package experiment

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// keepsContract reports whether a variant runs an application that keeps the contract. A server of
// the user's own answers only what scenarios ask.
func keepsContract(v lab.Variant) bool { return v.Own == nil && !v.Responder }

// readyTarget returns the request that a variant's server answers with success as soon as it is
// ready. It is the same in every scenario, so that cold starts compare, unless the script of a server
// of the user's own names none: then it is the scenario's first GET, or first request. If nothing is
// asked at all, any answer shows that the server is ready.
func (e *Experiment) readyTarget(v lab.Variant, s lab.Scenario) lab.Target {
	requests := s.AllRequests()
	switch {
	case v.Responder:
		return e.ResponderTarget
	case v.Own == nil:
		return lab.Target{Request: e.Checker.IdentityRequest(), Status: http.StatusOK}
	case v.Own.Ready != nil:
		requests = []lab.Request{*v.Own.Ready}
	case len(requests) == 0:
		root := lab.Request{Method: http.MethodGet, Path: "/"}
		return lab.Target{Request: withHeaders(v, root), Status: lab.AnyStatus}
	}
	first := max(slices.IndexFunc(requests, func(r lab.Request) bool { return r.Method == http.MethodGet }), 0)
	return lab.Target{Request: withHeaders(v, requests[first])}
}

// withHeaders returns a request with the headers that the variant gets with every request. The
// request's own come first.
func withHeaders(v lab.Variant, r lab.Request) lab.Request {
	if v.Own == nil || len(v.Own.Headers) == 0 {
		return r
	}
	all := maps.Clone(v.Own.Headers)
	for name, value := range r.Header {
		all[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	r.Header = all
	return r
}

// requestsTo returns requests as the variant gets them: see withHeaders.
func requestsTo(v lab.Variant, requests []lab.Request) []lab.Request {
	all := slices.Clone(requests)
	for i := range all {
		all[i] = withHeaders(v, all[i])
	}
	return all
}

// observeIdentity returns what the cell shows of a server that need not know GET /identity.
func observeIdentity(ctx context.Context, cell Cell, v lab.Variant) (lab.Identity, error) {
	l, err := serverListener(ctx, cell, v)
	return lab.Identity{Backlog: l.Backlog}, err
}

// checkNotRoot says what is wrong with a server of the user's own whose socket belongs to root. The
// engine's description of its image does not show that if USER is another name of user 0.
func checkNotRoot(ctx context.Context, cell Cell, v lab.Variant) (problems []string, err error) {
	l, err := serverListener(ctx, cell, v)
	if err != nil || l.Port == 0 || l.UID != 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("its socket %s belongs to user 0, and the lab runs no server as root; "+
		`name a user without privileges by its ids: variant(user = "65532:65532")`, addressText(l))}, nil
}

// serverListener returns the socket at which a variant's server is asked. It is empty if nothing
// listens there.
func serverListener(ctx context.Context, cell Cell, v lab.Variant) (lab.Listener, error) {
	all, err := cell.Listeners(ctx)
	if err != nil {
		return lab.Listener{}, err
	}
	for _, address := range loopbackAddresses { // the kernel takes the socket with the closest address
		for _, l := range all {
			if l.Address == address && l.Port == v.Port() {
				return l, nil
			}
		}
	}
	return lab.Listener{}, nil
}

// loopbackAddresses are those on which a server is reached at 127.0.0.1, the closest first.
var loopbackAddresses = []string{"127.0.0.1", "0.0.0.0", "::"}

// awaitFirstAnswer waits for a server's first correct answer and returns its time. A server that
// gives none in time has failed; the error then says where it listens.
func awaitFirstAnswer(
	ctx context.Context, cell Cell, v lab.Variant, target lab.Target,
) (time.Time, error) {
	at, err := cell.AwaitFirstAnswer(ctx, target, firstAnswerTimeout)
	if err != nil && ctx.Err() == nil && fault.PartyOf(err) == (fault.Party{}) {
		if all, listErr := cell.Listeners(ctx); listErr == nil {
			err = fmt.Errorf("%w; %s", err, describeListeners(withoutBeside(all, cell), v))
		}
	}
	return at, fault.During(ctx, fault.Server, err)
}

// withoutBeside returns the listeners without those of the services beside the server.
func withoutBeside(all []lab.Listener, cell Cell) []lab.Listener {
	return slices.DeleteFunc(slices.Clone(all), func(l lab.Listener) bool {
		return slices.ContainsFunc(besideServer(cell), func(s Service) bool { return s.Spec().Port == l.Port })
	})
}

// describeListeners says what listens in the cell of a variant's server, and what to change if the
// server is not reached at its port.
func describeListeners(all []lab.Listener, v lab.Variant) string {
	var here, elsewhere []string
	for _, l := range all {
		text := fmt.Sprintf("%s (user %d)", addressText(l), l.UID)
		switch {
		case l.Port != v.Port():
			elsewhere = append(elsewhere, text)
		case slices.Contains(loopbackAddresses, l.Address):
			return fmt.Sprintf("it listens on %s", text)
		default:
			here = append(here, text)
		}
	}
	asked := fmt.Sprintf("127.0.0.1:%d", v.Port())
	switch {
	case len(here) > 0:
		return fmt.Sprintf("it listens on %s, and the lab asks %s: make it listen on 0.0.0.0 or 127.0.0.1",
			strings.Join(here, ", "), asked)
	case len(elsewhere) == 0:
		return fmt.Sprintf("nothing in the cell listens on any port, and the lab asks %s", asked)
	case v.Own == nil:
		return fmt.Sprintf("nothing listens on %s, but on %s: an application listens on PORT",
			asked, strings.Join(elsewhere, ", "))
	}
	return fmt.Sprintf("nothing listens on %s, but on %s: set port in variant()",
		asked, strings.Join(elsewhere, ", "))
}

// addressText returns the address and port of a listener, as a URL has it.
func addressText(l lab.Listener) string {
	if strings.Contains(l.Address, ":") {
		return fmt.Sprintf("[%s]:%d", l.Address, l.Port)
	}
	return fmt.Sprintf("%s:%d", l.Address, l.Port)
}
