// Package agent is the protocol between the lab and a cell, with both ends: Serve runs as PID 1 of
// the generator's container, Client runs in the lab.
//
// The two exchange JSON lines over the container's standard streams: one request per line in, one
// reply per line out, in order. The agent writes nothing while an attack runs, so that the protocol
// does not disturb the measurement. End of input means that the lab has ended, for whatever reason.
// The agent then exits at once, which stops all load.
//
// The verbs:
//
//	probe     return the cell's CPUs, network interfaces and sysctls
//	await     wait for a server's first correct answer
//	check     send requests once each and return the answers
//	rooms     subscribe to rooms of a server, publish, and return what was delivered wrongly
//	services  remember which services run in the cell, and in which containers
//	attack    run one attack, with readings of the machine before and after it
//	read      return a chunk of the hits that the last attack kept
//	canary    run a fixed piece of CPU work on each of some CPUs
//	listeners return the TCP sockets of the cell that accept connections
package agent
