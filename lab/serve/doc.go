// Package serve owns the lab's own responders: servers whose behaviour is
// known, which the instrument is measured against before it measures others.
// They run from the agent's program, in a server's container of a cell, like
// any server under test.
//
//	null       a constant answer as fast as one CPU can: never the limit of a generator
//	reference  a fixed piece of CPU work for each request, and its own clock of it
//	burn       the same work on every CPU that it is given
//	virtual    cores that take no CPU, and scale by a law that is known
//	waiting    a delay without CPU: the server that no CPU saturates
//	stalling   an immediate answer, but for one stall in every period
//
// One is not measured, but what applications under test wait for:
//
//	upstream   GET /wait?ms=N answers after N milliseconds, any number at once
//
// All listen on HOST and PORT of the environment, as every server of the lab.
package serve
