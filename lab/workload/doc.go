// Package workload reads scenarios/workloads: what an application can be asked. Each
// folder is a workload, and its workload.json has the endpoints, the rules in words, and
// vectors: requests with the answers that they must get. Seeded inputs are requests
// without a known answer. The workload named application is what every application has.
//
// The package sends nothing and judges nothing.
package workload
