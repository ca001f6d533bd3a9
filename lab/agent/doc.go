// Package agent is the conversation between the lab and the cell, and both its
// ends: Serve runs as the first process of the generator's container, Client
// in the lab.
//
// The two speak JSON lines over the container's standard streams: one request
// a line in, one reply a line out, in order. Nothing is written while an
// attack runs, so that the conversation never takes part in what is measured.
// End of input means that the lab is gone, however it went: the agent exits at
// once, and with it all load.
//
// The verbs:
//
//	probe   the cell's CPUs, network interfaces and sysctls
//	await   wait for a server's first correct answer
//	check   send requests once each and return the answers
//	attack  carry out one attack, with readings of the machine at its edges
//	read    a piece of what the last attack kept of its hits
//	canary  a fixed piece of CPU work on each of some CPUs
package agent
