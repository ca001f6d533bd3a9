//go:build linux

// Command shortlived is a server that does the work of each request in a thread or a
// process that ends soon after. Its argument selects which:
//
//	thread   a thread for each request
//	fork     a process for each request, which its parent waits for
//	ignored  a process for each request, which is not waited for (SIGCHLD ignored)
//	recycle  one worker process, which ends after some requests and is replaced
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// requestsPerWorker is the number of requests that a recycled worker serves.
const requestsPerWorker = 100

func main() {
	mode := os.Args[1]
	switch mode {
	case "child":
		work()
		return
	case "worker":
		worker()
		return
	case "recycle":
		recycle()
	case "ignored":
		signal.Ignore(syscall.SIGCHLD)
	}
	listener, err := net.Listen("tcp", address())
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, newHandler(mode)))
}

func address() string { return net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")) }

// newHandler returns a handler that does its work as mode says.
func newHandler(mode string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		switch mode {
		case "thread":
			inThread()
		case "fork", "ignored":
			inProcess(mode)
		}
		_, _ = io.WriteString(w, "done") // an error means that the client has disconnected
	}
}

// work takes a few milliseconds of CPU time.
func work() {
	x := uint64(1)
	for range 3_000_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		log.Fatal("a xorshift is never 0")
	}
}

func inThread() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // without unlocking, so that the thread ends with its goroutine
		work()
	}()
	<-done
}

func inProcess(mode string) {
	if mode == "fork" {
		if err := exec.Command("/proc/self/exe", "child").Run(); err != nil {
			log.Print(err)
		}
		return
	}
	ended, end, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	child, err := os.StartProcess("/proc/self/exe", []string{"server", "child"},
		&os.ProcAttr{Files: []*os.File{nil, nil, end}})
	if err != nil {
		log.Fatal(err)
	}
	_ = end.Close()
	_, _ = io.Copy(io.Discard, ended) // until the child ends, which closes its end of the pipe
	_ = ended.Close()
	_ = child.Release()
}

// recycle starts one worker process after another, all on one socket.
func recycle() {
	listener, err := net.Listen("tcp", address())
	if err != nil {
		log.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		log.Fatal(err)
	}
	for {
		next := exec.Command("/proc/self/exe", "worker")
		next.ExtraFiles, next.Stderr = []*os.File{socket}, os.Stderr
		if err := next.Run(); err != nil && !strings.Contains(err.Error(), "exit status") {
			log.Fatal(err)
		}
	}
}

// worker serves requestsPerWorker requests on an inherited socket.
func worker() {
	listener, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan struct{}, 1<<16)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		work()
		w.Header().Set("Connection", "close") // another worker may answer the next request
		_, _ = io.WriteString(w, "done")      // an error means that the client has disconnected
		served <- struct{}{}
	})}
	go func() { log.Print(server.Serve(listener)) }()
	for range requestsPerWorker {
		<-served
	}
	time.Sleep(5 * time.Millisecond) // until the last answer is sent
}
