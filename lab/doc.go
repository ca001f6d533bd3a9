// Package lab is the vocabulary of Runtime Lab: the plain values that the
// steps of the flow hand to one another. It imports nothing of ours and does
// nothing; what each word means is said here once and holds in code, CSV,
// documentation and output alike.
//
// The flow, and the packages that own each step:
//
//	script -> plan -> image -> engine -> contract -> attack -> gate -> record -> stat -> verdict -> report
//
// A scenario is a workload and how load is offered to it. A runtime is an
// image; a variant is a runtime in one configuration (node/single). A cell is
// a network namespace with nothing but loopback in it, holding one generator
// and the servers of one trial. A trial is one measured execution of a
// scenario on a variant in fresh containers and the unit of analysis; a block
// is one trial of every variant in shuffled order; a run is all blocks of a
// plan. An attack is one phase of load inside a trial.
package lab
