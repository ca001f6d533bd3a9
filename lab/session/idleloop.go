package session

import "runtimelab/lab"

// idleLoopMemory limits the memory of an idle loop, in bytes.
const idleLoopMemory = 64 << 20

// idleLoop returns the service that keeps a generator's CPUs from halting while it waits: waking a
// halted CPU would cost the server. It runs in a container of its own: in the generator's it would take
// half a CPU from a service in another one.
func idleLoop(generator lab.CPURequest, agent lab.Image) lab.Service {
	return lab.Service{
		Role: lab.RoleIdleLoop, Name: lab.IdleLoopName, Image: agent,
		Command: []string{"/agent", "idle-loop"}, User: lab.AgentUser,
		CPUs: generator, MemoryBytes: idleLoopMemory,
	}
}
