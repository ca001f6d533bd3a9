package host

import "syscall"

// detached has dockerd outlive this process and its terminal. A private engine
// also gets a network namespace of its own: one that is told to do without a
// bridge removes docker0, which is the machine's own engine's.
func (d Daemon) detached() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if d.PrivateDir != "" {
		attributes.Cloneflags = syscall.CLONE_NEWNET
	}
	return attributes
}
