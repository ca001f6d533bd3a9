package host

import "syscall"

// detached makes dockerd outlive this process and its terminal. A private engine also gets a
// network namespace: an engine without a bridge removes docker0, which belongs to the machine's
// engine.
func (d Daemon) detached() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if d.PrivateDir != "" {
		attributes.Cloneflags = syscall.CLONE_NEWNET
	}
	return attributes
}
