package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/go-connections/tlsconfig"
)

// tunnel makes an engine that is reached by ssh or TLS answer at a socket of
// this machine, in a folder that only its user may enter: each connection to
// the socket becomes one to the engine. Every client then gets a plain
// address, whatever it can do itself.
type tunnel struct {
	mu       sync.Mutex
	dir      string
	socket   net.Listener
	conns    map[io.Closer]struct{} // connections, to be cut by Close
	forwards sync.WaitGroup
	lastErr  error // why the last connection to the engine failed
}

// engineConn is one connection to the engine, which can be closed in one direction.
type engineConn interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// start listens and returns the address to use. It may be called again.
func (b *tunnel) start(a Address) (host string, err error) {
	dial, err := dialer(a)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.socket == nil {
		sweepTunnels()
		if b.dir, err = os.MkdirTemp("", tunnelFolder); err != nil {
			return "", fmt.Errorf("making a folder for the bridge's socket: %w", err)
		}
		if b.socket, err = net.Listen("unix", filepath.Join(b.dir, tunnelSocket)); err != nil {
			return "", errors.Join(fmt.Errorf("listening for clients: %w", err), os.RemoveAll(b.dir))
		}
		b.conns = map[io.Closer]struct{}{}
		b.forwards.Add(1)
		go b.accept(b.socket, dial)
	}
	return "unix://" + filepath.Join(b.dir, tunnelSocket), nil
}

const (
	tunnelFolder = "runtime-lab-engine-"
	tunnelSocket = "docker.sock"
)

// sweepTunnels removes the folders of bridges whose lab was killed: those at whose
// socket nobody listens any more. One that was just made is yet to be listened at.
func sweepTunnels() {
	all, _ := os.ReadDir(os.TempDir()) // where nothing is to be found out nothing is swept
	for _, folder := range all {
		made, err := folder.Info()
		if err != nil || !strings.HasPrefix(folder.Name(),
			tunnelFolder) || time.Since(made.ModTime()) < time.Minute {
			continue
		}
		dir := filepath.Join(os.TempDir(), folder.Name())
		there, err := net.Dial("unix", filepath.Join(dir, tunnelSocket))
		if err == nil {
			_ = there.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.RemoveAll(dir) // what somebody else may not remove stays
		}
	}
}

func (b *tunnel) accept(socket net.Listener, dial func() (engineConn, error)) {
	defer b.forwards.Done()
	for {
		near, err := socket.Accept()
		if err != nil {
			return // closed
		}
		b.forwards.Add(1)
		go func() {
			defer b.forwards.Done()
			b.forward(near.(*net.UnixConn), dial)
		}()
	}
}

// forward carries one connection until both directions have ended.
func (b *tunnel) forward(near *net.UnixConn, dial func() (engineConn, error)) {
	defer near.Close()
	if !b.track(near) {
		return
	}
	defer b.untrack(near)
	far, err := dial()
	if err != nil {
		b.setLastError(err)
		return
	}
	if !b.track(far) {
		_ = far.Close() // the bridge is being closed: nobody is left to tell
		return
	}
	defer b.untrack(far)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(far, near) // either end may hang up at any time
		_ = far.CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	// The engine has nothing more to say, so nothing more can be asked.
	_ = near.Close()
	<-sent
	if err := far.Close(); err != nil {
		b.setLastError(err)
	}
}

func (b *tunnel) track(c io.Closer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.socket == nil {
		return false
	}
	b.conns[c] = struct{}{}
	return true
}

func (b *tunnel) untrack(c io.Closer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

func (b *tunnel) setLastError(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastErr = err
}

// lastError is why the last connection to the engine failed, nil if none did.
func (b *tunnel) lastError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lastErr
}

// Close ends every connection and removes the socket.
func (b *tunnel) Close() error {
	b.mu.Lock()
	socket, dir := b.socket, b.dir
	b.socket = nil
	cut := slices.Collect(maps.Keys(b.conns))
	b.mu.Unlock()
	for _, c := range cut {
		_ = c.Close() // it is cut, not ended
	}
	if socket == nil {
		return nil
	}
	err := socket.Close()
	b.forwards.Wait()
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the bridge to the engine: %w", err)
	}
	return nil
}

// dialer says how to connect to the engine that a bridge leads to.
func dialer(a Address) (func() (engineConn, error), error) {
	if strings.HasPrefix(a.Host, "ssh://") {
		args, err := sshArguments(a.Host)
		if err != nil {
			return nil, err
		}
		return func() (engineConn, error) { return startProcess("ssh", args...) }, nil
	}
	config, err := a.TLS.config()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(a.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the engine's address: %w", err)
	}
	return func() (engineConn, error) {
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 30 * time.Second}, Config: config}
		c, err := dialer.DialContext(context.Background(), "tcp", at.Host)
		if err != nil {
			return nil, err
		}
		return c.(*tls.Conn), nil
	}, nil
}

// config loads what there is of the material.
func (t *TLS) config() (*tls.Config, error) {
	options := tlsconfig.Options{InsecureSkipVerify: t.SkipVerify, MinVersion: tls.VersionTLS12}
	for name, option := range map[string]*string{
		"ca.pem": &options.CAFile, "cert.pem": &options.CertFile,
		"key.pem": &options.KeyFile,
	} {
		file := filepath.Join(t.Dir, name)
		if _, err := os.Stat(file); err == nil {
			*option = file
		}
	}
	config, err := tlsconfig.Client(options)
	if err != nil {
		return nil, fmt.Errorf("reading the TLS material in %s: %w", t.Dir, err)
	}
	return config, nil
}

// sshArguments is the command line that reaches the engine at an address like
// ssh://user@host:port/path/of/socket, where all but the host is optional.
func sshArguments(host string) ([]string, error) {
	at, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("reading the engine's address: %w", err)
	}
	if _, secret := at.User.Password(); secret || at.Hostname() == "" || at.RawQuery != "" || at.Fragment != "" {
		return nil, fmt.Errorf("an ssh address is ssh://user@host:port, without a password: %s", at.Redacted())
	}
	args := []string{"-o", "ConnectTimeout=30", "-T"}
	if user := at.User.Username(); user != "" {
		args = append(args, "-l", user)
	}
	if port := at.Port(); port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "--", at.Hostname(), "docker")
	if at.Path != "" && at.Path != "/" {
		args = append(args, "--host=unix://"+at.Path)
	}
	return append(args, "system", "dial-stdio"), nil
}

// commandConn is a connection through the standard streams of a command.
type commandConn struct {
	io.ReadCloser
	io.WriteCloser
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	once   sync.Once
	err    error
}

func startProcess(name string, args ...string) (*commandConn, error) {
	p := &commandConn{cmd: exec.Command(name, args...), stderr: &bytes.Buffer{}}
	p.cmd.SysProcAttr = detached()
	p.cmd.Stderr = &headBuffer{buffer: p.stderr, left: 4096}
	p.cmd.WaitDelay = time.Second
	var err error
	if p.WriteCloser, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.ReadCloser, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

func (p *commandConn) CloseWrite() error { return p.WriteCloser.Close() }

// Close ends the command, at once if it does not end by itself, and says why
// it failed.
func (p *commandConn) Close() error {
	p.once.Do(func() {
		_ = p.WriteCloser.Close() // a command that has ended has closed it
		overdue := time.AfterFunc(time.Second, func() { _ = p.cmd.Process.Kill() })
		defer overdue.Stop()
		if err := p.cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), err, strings.TrimSpace(p.stderr.String()))
		}
	})
	return p.err
}

// headBuffer keeps the beginning of what is written to it.
type headBuffer struct {
	buffer *bytes.Buffer
	left   int
}

func (h *headBuffer) Write(b []byte) (int, error) {
	keep := b[:min(len(b), h.left)]
	h.left -= len(keep)
	h.buffer.Write(keep)
	return len(b), nil
}
