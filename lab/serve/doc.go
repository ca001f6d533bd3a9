// Package serve implements the lab's own responders: servers with known behaviour,
// against which the instrument is checked. They are part of the agent's program and
// run in a server's container of a cell, like any server under test.
//
//	null       a constant answer as fast as one CPU can, to find the generator's limit
//	reference  a fixed amount of CPU work for each request; measures its own service times
//	burn       the same work on every CPU that it is given
//	virtual    virtual cores that use no CPU and scale by a known law
//	waiting    an answer after a delay without CPU, which saturates no CPU
//	stalling   an immediate answer, except for one stall in every period
//	fanout     messages to the subscribers of rooms, with known faults; measures how long they waited
//
// One responder is not measured. Applications under test call it:
//
//	upstream   GET /wait?ms=N answers after N milliseconds, any number at once
//
// All listen on HOST and PORT of the environment, like every server of the lab.
package serve
