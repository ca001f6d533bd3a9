// Package attack is the load generator: Vegeta's Attacker with a synchronous transport, pacers that
// know their schedule, and a recorder. It runs only inside the cell, beside the server that it
// measures.
//
// A closed loop (warm-up, peak, ladder) keeps a fixed number of connections busy; its throughput is
// the result. The clients of a ladder arrive one after another, and their latency counts too. An
// open loop (steady) sends requests on a schedule that the server cannot slow down. Its latencies
// count from the intended send time, so a stalled server is charged for the requests that had to
// wait (Gil Tene, "How NOT to Measure Latency", 2013).
package attack
