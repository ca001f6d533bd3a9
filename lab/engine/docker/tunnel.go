package docker

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

// tunnel forwards a local Unix socket to an engine behind ssh or TLS, so that every client uses a
// plain address. Each connection to the socket becomes one to the engine. Only the user may enter
// the socket's folder.
type tunnel struct {
	mu       sync.Mutex
	dir      string
	socket   net.Listener
	conns    map[io.Closer]struct{} // open connections; Close closes them
	forwards sync.WaitGroup
	lastErr  error // why the last connection to the engine failed
}

// engineConn is one connection to the engine whose write side can be closed.
type engineConn interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// start listens and returns the address that clients use. It may be called again.
func (t *tunnel) start(a Address) (host string, err error) {
	dial, err := dialer(a)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.socket == nil {
		sweepTunnels()
		if t.dir, err = os.MkdirTemp("", tunnelFolder); err != nil {
			return "", fmt.Errorf("creating a folder for the tunnel's socket: %w", err)
		}
		if t.socket, err = net.Listen("unix", filepath.Join(t.dir, tunnelSocket)); err != nil {
			return "", errors.Join(fmt.Errorf("listening on the tunnel's socket: %w", err), os.RemoveAll(t.dir))
		}
		t.conns = map[io.Closer]struct{}{}
		t.forwards.Add(1)
		go t.accept(t.socket, dial)
	}
	return "unix://" + filepath.Join(t.dir, tunnelSocket), nil
}

const (
	tunnelFolder = "runtime-lab-engine-"
	tunnelSocket = "docker.sock"
)

// sweepTunnels removes the sockets of labs that were killed: no process listens there, and they are
// older than a minute. A newer one may be about to listen.
func sweepTunnels() {
	all, _ := os.ReadDir(os.TempDir()) // a folder that cannot be read stays as it is
	for _, folder := range all {
		made, err := folder.Info()
		if err != nil || !strings.HasPrefix(folder.Name(), tunnelFolder) ||
			time.Since(made.ModTime()) < time.Minute {
			continue
		}
		dir := filepath.Join(os.TempDir(), folder.Name())
		conn, err := net.Dial("unix", filepath.Join(dir, tunnelSocket))
		if err == nil {
			_ = conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.RemoveAll(dir) // another user's folder stays
		}
	}
}

func (t *tunnel) accept(socket net.Listener, dial func() (engineConn, error)) {
	defer t.forwards.Done()
	for {
		near, err := socket.Accept()
		if err != nil {
			return // closed
		}
		t.forwards.Add(1)
		go func() {
			defer t.forwards.Done()
			t.forward(near.(*net.UnixConn), dial)
		}()
	}
}

// forward copies one connection in both directions until both have ended.
func (t *tunnel) forward(near *net.UnixConn, dial func() (engineConn, error)) {
	defer near.Close()
	if !t.track(near) {
		return
	}
	defer t.untrack(near)
	far, err := dial()
	if err != nil {
		t.setLastError(err)
		return
	}
	if !t.track(far) {
		_ = far.Close() // the tunnel is closing
		return
	}
	defer t.untrack(far)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(far, near) // either end may close at any time
		_ = far.CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	// The engine has closed its side, so the client cannot send more.
	_ = near.Close()
	<-sent
	if err := far.Close(); err != nil {
		t.setLastError(err)
	}
}

func (t *tunnel) track(c io.Closer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.socket == nil {
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *tunnel) untrack(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

func (t *tunnel) setLastError(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = err
}

// lastError returns why the last connection to the engine failed, or nil.
func (t *tunnel) lastError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastErr
}

// Close closes every connection and removes the socket.
func (t *tunnel) Close() error {
	t.mu.Lock()
	socket, dir := t.socket, t.dir
	t.socket = nil
	open := slices.Collect(maps.Keys(t.conns))
	t.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	if socket == nil {
		return nil
	}
	err := socket.Close()
	t.forwards.Wait()
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the tunnel to the engine: %w", err)
	}
	return nil
}

// dialer returns a function that connects to the engine behind a tunnel.
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
	parsed, err := url.Parse(a.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the engine's address: %w", err)
	}
	return func() (engineConn, error) {
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 30 * time.Second}, Config: config}
		c, err := dialer.DialContext(context.Background(), "tcp", parsed.Host)
		if err != nil {
			return nil, err
		}
		return c.(*tls.Conn), nil
	}, nil
}

// config loads those of the TLS files that exist.
func (t *TLS) config() (*tls.Config, error) {
	options := tlsconfig.Options{InsecureSkipVerify: t.SkipVerify, MinVersion: tls.VersionTLS12}
	for name, option := range map[string]*string{
		"ca.pem": &options.CAFile, "cert.pem": &options.CertFile, "key.pem": &options.KeyFile,
	} {
		file := filepath.Join(t.Dir, name)
		if _, err := os.Stat(file); err == nil {
			*option = file
		}
	}
	config, err := tlsconfig.Client(options)
	if err != nil {
		return nil, fmt.Errorf("reading the TLS files in %s: %w", t.Dir, err)
	}
	return config, nil
}

// sshArguments returns the ssh arguments that reach the engine at
// ssh://user@host:port/path/of/socket. All but the host is optional.
func sshArguments(host string) ([]string, error) {
	at, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("reading the engine's address: %w", err)
	}
	if _, secret := at.User.Password(); secret || at.Hostname() == "" || at.RawQuery != "" || at.Fragment != "" {
		return nil, fmt.Errorf("the engine's address %s is not of the form ssh://user@host:port "+
			"(without a password)", at.Redacted())
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

// Close waits a second for the command to end, then kills it. It returns why the command failed.
func (p *commandConn) Close() error {
	p.once.Do(func() {
		_ = p.WriteCloser.Close() // fails if the command has ended
		overdue := time.AfterFunc(time.Second, func() { _ = p.cmd.Process.Kill() })
		defer overdue.Stop()
		if err := p.cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%s: %w: %s", strings.Join(p.cmd.Args, " "), err, strings.TrimSpace(p.stderr.String()))
		}
	})
	return p.err
}

// headBuffer keeps the first bytes that are written to it.
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
