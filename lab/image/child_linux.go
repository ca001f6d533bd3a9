package image

import "syscall"

// childAttributes keeps a terminal's Ctrl-C from a child, which is ended through its
// context, and has the child end with this process however that ends. (The kernel
// watches the thread that started it; no thread of the lab ends before the lab.)
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
