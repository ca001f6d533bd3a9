// Package crosscheck measures with Vegeta's Attacker on net/http's transport. It shares no transport,
// clock, schedule or recorder with package attack, and imports nothing of it: where both agree, it is
// not because both are wrong in the same way.
package crosscheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// MaxRate is the highest rate that an attack may offer, in requests per second. Beyond it net/http
// itself is late.
const MaxRate = 10_000

// Run sends the load of an attack and returns what came of it: a closed loop, or an open loop of a
// constant rate. It takes latencies from Vegeta's results and sorts them.
func Run(ctx context.Context, a lab.Attack) (lab.CrossReading, error) {
	pacer, err := pacerOf(a)
	if err != nil {
		return lab.CrossReading{}, fmt.Errorf("attack %s by net/http: %w", a.Name, err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: a.Connections, MaxConnsPerHost: a.Connections}
	defer transport.CloseIdleConnections()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: transport, Timeout: a.Timeout}),
		vegeta.Workers(uint64(a.Connections)),
		vegeta.MaxWorkers(uint64(a.Connections)),
	)
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	var results []*vegeta.Result
	for r := range attacker.Attack(targeterOf(a), pacer, a.Duration, "") {
		results = append(results, r)
	}
	if err := context.Cause(ctx); err != nil {
		return lab.CrossReading{}, fmt.Errorf("attack %s by net/http: %w", a.Name, err)
	}
	return Read(results, a.Targets[0]), nil
}

// pacerOf returns the pacer of an attack: none for a closed loop.
func pacerOf(a lab.Attack) (vegeta.Pacer, error) {
	switch {
	case len(a.Targets) != 1 || a.Connections < 1 || a.Duration <= 0:
		return nil, errors.New("it needs one target, a connection and a duration")
	case a.Kind.Traits().Pacing == lab.ClosedLoop:
		return vegeta.ConstantPacer{}, nil
	case !a.Kind.IsOpenLoop() || a.Arrivals != lab.Constant || len(a.Rate) != 1 ||
		a.Rate[0].FromRPS != a.Rate[0].ToRPS:
		return nil, errors.New("it must be a closed loop, or an open loop of one constant rate")
	}
	rate := a.Rate[0].FromRPS
	if rate <= 0 || rate > MaxRate {
		return nil, fmt.Errorf("it offers %v requests per second; more than 0 and at most %d are possible",
			rate, MaxRate)
	}
	return vegeta.ConstantPacer{Freq: int(math.Round(60 * rate)), Per: time.Minute}, nil
}

// targeterOf returns a targeter of the attack's only target.
func targeterOf(a lab.Attack) vegeta.Targeter {
	request := a.Targets[0].Request
	header := http.Header{}
	for name, value := range request.Header {
		header.Set(name, value)
	}
	return vegeta.NewStaticTargeter(vegeta.Target{
		Method: request.Method, URL: a.BaseURL + request.Path, Body: request.Body, Header: header,
	})
}

// Read returns what results say. A result is a success if its answer is the one that the target
// expects.
func Read(results []*vegeta.Result, target lab.Target) (out lab.CrossReading) {
	var latencies []time.Duration
	var began, ended time.Time
	for _, r := range results {
		if began.IsZero() || r.Timestamp.Before(began) {
			began = r.Timestamp
		}
		if end := r.End(); end.After(ended) {
			ended = end
		}
		switch {
		case r.Error != "":
			out.FirstError = cmp.Or(out.FirstError, r.Error)
		case int(r.Code) != target.Status:
			out.FirstError = cmp.Or(out.FirstError, fmt.Sprintf("status %d instead of %d", r.Code, target.Status))
		case !bytes.Equal(r.Body, target.Body):
			out.FirstError = cmp.Or(out.FirstError, "the body is not the expected one")
		default:
			latencies = append(latencies, r.Latency)
		}
	}
	out.Failed = int64(len(results) - len(latencies))
	if len(latencies) == 0 {
		return out
	}
	slices.Sort(latencies)
	middle := len(latencies) / 2
	out.MedianLatency = (latencies[middle] + latencies[(len(latencies)-1)/2]) / 2
	out.Succeeded = int64(len(latencies))
	out.ThroughputRPS = float64(out.Succeeded) / ended.Sub(began).Seconds()
	return out
}
