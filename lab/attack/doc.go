// Package attack is the load generator. It runs only inside the cell, beside the server that it
// measures.
//
// A driver sends the hits of an attack: vegetaDriver by Vegeta's Attacker with a synchronous transport,
// loopDriver by event loops, one for each CPU. Both ask a vegeta.Targeter and a vegeta.Pacer what to
// send and when, and both read answers by an answerReader. A recorder turns the exchanges that a driver
// measured into the result, and knows no protocol.
//
// A closed loop (warm-up, peak, ladder) keeps a fixed number of connections busy; its throughput is
// the result. The clients of a ladder arrive one after another, and their latency counts too. An
// open loop (steady) sends requests on a schedule that the server cannot slow down. Its latencies
// count from the intended send time, so a stalled server is charged for the requests that had to
// wait (Gil Tene, "How NOT to Measure Latency", 2013).
package attack
