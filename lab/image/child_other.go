//go:build !linux

package image

import "syscall"

// childAttributes puts a child in its own process group. It exists so that the package compiles:
// stand-ins are made on Linux only.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
