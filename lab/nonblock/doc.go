// Package nonblock owns the reads and writes of descriptors that never block,
// as sockets and timers in non-blocking mode are. On Linux they are system calls
// that Go's scheduler is not told of: it takes precautions against calls that
// last, which cost a hit more than the call itself. It wakes its monitor, a
// thread of its own, whenever a process that slept makes its first call, and on
// a single CPU that thread then runs instead of the caller.
package nonblock
