// Package contract checks that applications do the same work. It compares answers with
// the vectors of the workloads that a variant offers, compares variants with each other
// on the seeded inputs of workloads that both offer, and checks the identity endpoint. It
// sends no requests itself.
//
// Bodies and the set of header names must match exactly, because a server that sends more
// does different work.
package contract
