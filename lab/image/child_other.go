//go:build !linux

package image

import "syscall"

// childAttributes exists here so that the package compiles: stand-ins are made on Linux
// only.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
