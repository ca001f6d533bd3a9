package image

import "syscall"

// childAttributes puts a child in its own process group, so that Ctrl-C does not reach it, and has
// the kernel kill it when this process ends. The kernel watches the thread that started the child;
// the lab's threads end only with the lab.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
