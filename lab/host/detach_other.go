//go:build !linux

package host

import "syscall"

// detached exists here so that the package compiles: engines are started on
// Linux only.
func (d Daemon) detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
