// Package contract owns what makes the applications of the runtimes identical:
// the request and response vectors, the seeded random inputs, the rule of the
// identity endpoint, and the comparison of answers with all of them and
// between variants. It sends nothing itself.
//
// The contract is one file, runtimes/contract.json, which documents the API
// and is what the check runs. Bodies are compared byte for byte, and so is the
// set of headers: a server that answers with more of them does other work.
package contract
