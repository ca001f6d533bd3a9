// Package attack is the load generator: Vegeta's Attacker with a synchronous
// transport, pacers that know their schedule, and a recorder. It runs inside
// the cell, beside the server that it measures, and nowhere else.
//
// A closed loop (warm-up, peak) keeps a fixed number of connections busy; its
// throughput is the result. So does a ladder, whose clients come one after
// another, for what they wait and what they get done meanwhile. An open loop
// (steady) offers requests on a schedule that the server cannot slow down;
// latencies are taken from the intended send time, so that a stalled server is
// charged for the requests that had to wait (Gil Tene, "How NOT to Measure
// Latency", 2013).
package attack
