//go:build !linux

package image

import "syscall"

// dependent exists here so that the package compiles: stand-ins are made on Linux
// only.
func dependent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
