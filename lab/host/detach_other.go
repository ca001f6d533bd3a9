//go:build !linux

package host

import "syscall"

// detached exists so that the package compiles on this system: the lab starts engines on Linux
// only.
func (d Daemon) detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
