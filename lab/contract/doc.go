// Package contract checks that the applications of all runtimes behave alike. It
// compares answers with request and response vectors, compares variants with each
// other on seeded random inputs, and checks the identity endpoint. It sends no
// requests itself.
//
// The contract is one file, runtimes/contract.json. It documents the API, and the
// check reads it. Bodies and the set of header names must match exactly, because a
// server that sends more does different work.
package contract
