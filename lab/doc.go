// Package lab is the vocabulary of Runtime Lab: the plain values that the steps
// of the flow pass to one another. It imports no other package of the lab and has
// no behaviour of its own. Each word has one meaning in code, CSV files, documents
// and output.
//
// The flow, and the packages that own its steps:
//
//	script -> plan -> image -> engine -> contract -> attack -> gate -> record -> stat -> verdict -> report
//
// A workload is what an application can be asked: endpoints, rules and vectors. A
// scenario is requests and how load is offered. A runtime is an image; a variant is a
// runtime in one configuration (node/single), which offers workloads. A cell is a
// network namespace with a loopback interface only. It holds one generator and
// the services of one trial. A service is one container, with a role: server, upstream,
// database, balancer or broker. A trial is one measured execution of a scenario on a
// variant in fresh containers; it is the unit of analysis. A block is one trial of
// every variant in random order; a run is all blocks of a plan. An attack is one
// phase of load in a trial, and a hit is one request of it. A window is an attack with
// the accounts of what each party used meanwhile; a sample is one measured phase of a
// trial, with its windows, canaries and validity. A hypothesis compares a metric of two
// arms; a promise is a list of limits that every trial of one arm must keep; a verdict is
// what the rows of a run say of either.
package lab
