// Package nonblock reads and writes descriptors in non-blocking mode, such as sockets and
// timers. On Linux it uses raw system calls without the hooks of Go's scheduler. The hooks
// prepare for calls that block, and cost more than the call itself. On a single CPU they
// can also hand the CPU to the scheduler's monitor thread.
package nonblock
