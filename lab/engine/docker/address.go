package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"runtimelab/lab/fault"
)

// Address is an engine's address and where it was configured. It is resolved once and given to
// every client.
type Address struct {
	Host     string // unix:///path, tcp://host:port or ssh://user@host
	Origin   string // where it was configured: "DOCKER_HOST", "context desktop-linux", "default socket"
	Explicit bool   // the user chose it, so the lab uses no other engine in its place
	TLS      *TLS   // nil for a plain connection

	tunnel *tunnel // started by Connect for ssh and TLS; nil for plain addresses
}

// TLS describes how to secure the connection to an engine.
type TLS struct {
	Dir        string // holds ca.pem, cert.pem and key.pem; each is optional
	SkipVerify bool   // the engine's certificate is not checked
}

// Close stops the tunnel that Connect started, if there is one. The client does not work
// afterwards.
func (a Address) Close() error {
	if a.tunnel == nil {
		return nil
	}
	return a.tunnel.Close()
}

// environment holds everything that an address is resolved from.
type environment struct {
	getenv  func(string) string
	home    string
	sockets []string // this machine's, in order of preference
}

// Resolve returns the engine's address without talking to it, in the docker command's order:
// DOCKER_HOST, DOCKER_CONTEXT, the current context of the docker configuration, then this machine's
// sockets. It returns an error if a configured address cannot be read.
func Resolve() (Address, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // a service without a home directory has no contexts
	}
	s := environment{getenv: os.Getenv, home: home}
	s.sockets = append(s.sockets, "/var/run/docker.sock")
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		s.sockets = append(s.sockets, filepath.Join(dir, "docker.sock")) // rootless
	}
	if home != "" {
		s.sockets = append(s.sockets,
			filepath.Join(home, ".docker/run/docker.sock"),     // Docker Desktop on macOS
			filepath.Join(home, ".docker/desktop/docker.sock")) // Docker Desktop on Linux
	}
	return s.resolve()
}

func (s environment) resolve() (Address, error) {
	address, err := s.findAddress()
	if err != nil {
		return Address{}, err
	}
	scheme, rest, ok := strings.Cut(address.Host, "://")
	if !ok || rest == "" {
		return Address{}, &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("the engine's address %q, from %s, has no scheme", address.Host, address.Origin),
			Hint: "write it as unix:///path, tcp://host:port or ssh://user@host",
		}
	}
	switch scheme {
	case "unix", "tcp", "http", "https", "ssh":
	default:
		return Address{}, &fault.Error{
			Code: fault.ExitFailed,
			Err: fmt.Errorf("the engine's address %q, from %s, has an unsupported scheme",
				address.Host, address.Origin),
			Hint: "use unix://, tcp:// or ssh://",
		}
	}
	if scheme == "ssh" || address.TLS != nil {
		address.tunnel = &tunnel{}
	}
	return address, nil
}

func (s environment) findAddress() (Address, error) {
	if host := s.getenv("DOCKER_HOST"); host != "" {
		return Address{Host: host, Origin: "DOCKER_HOST", Explicit: true, TLS: s.tlsFromEnvironment(host)}, nil
	}
	if name := s.getenv("DOCKER_CONTEXT"); name != "" {
		return s.fromContext(name, "DOCKER_CONTEXT="+name)
	}
	name, err := s.currentContext()
	if err != nil {
		return Address{}, err
	}
	return s.fromContext(name, "context "+name)
}

// tlsFromEnvironment returns the TLS settings that the environment gives for host, or nil. It reads
// DOCKER_CERT_PATH and DOCKER_TLS_VERIFY as docker's own client does.
func (s environment) tlsFromEnvironment(host string) *TLS {
	dir, verify := s.getenv("DOCKER_CERT_PATH"), s.getenv("DOCKER_TLS_VERIFY") != ""
	if !strings.HasPrefix(host, "tcp://") && !strings.HasPrefix(host, "https://") || dir == "" && !verify {
		return nil
	}
	if dir == "" {
		dir = s.configDir()
	}
	return &TLS{Dir: dir, SkipVerify: !verify}
}

func (s environment) configDir() string {
	if dir := s.getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(s.home, ".docker")
}

// currentContext returns the current context of the docker configuration, or "default" if there is
// none.
func (s environment) currentContext() (string, error) {
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	file := filepath.Join(s.configDir(), "config.json")
	err := readJSON(file, &config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "default", nil
	case err != nil:
		return "", &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("reading the current context of the docker configuration: %w", err),
			Hint: "correct the file, or name the engine with DOCKER_HOST",
		}
	case config.CurrentContext == "":
		return "default", nil
	}
	return config.CurrentContext, nil
}

// fromContext returns the address that a docker context stores. The context "default" is not
// stored: it means this machine's socket.
func (s environment) fromContext(name, origin string) (Address, error) {
	if name == "default" {
		return s.defaultSocket(), nil
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints struct {
			Docker struct {
				Host          string
				SkipTLSVerify bool
			} `json:"docker"`
		}
	}
	file := filepath.Join(s.configDir(), "contexts/meta", id, "meta.json")
	err := readJSON(file, &meta)
	if err == nil && meta.Endpoints.Docker.Host == "" {
		err = fmt.Errorf("%s has no docker endpoint", file)
	}
	if err != nil {
		return Address{}, &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("reading the docker context %q: %w", name, err),
			Hint: "docker context ls lists the contexts; DOCKER_CONTEXT=default is this machine's engine",
		}
	}
	endpoint := meta.Endpoints.Docker
	address := Address{Host: endpoint.Host, Origin: origin, Explicit: true}
	if strings.HasPrefix(endpoint.Host, "unix://") {
		return address, nil
	}
	dir := filepath.Join(s.configDir(), "contexts/tls", id, "docker")
	if _, err := os.Stat(dir); err == nil || endpoint.SkipTLSVerify {
		address.TLS = &TLS{Dir: dir, SkipVerify: endpoint.SkipTLSVerify}
	}
	return address, nil
}

// defaultSocket returns the first of this machine's sockets that exists, or the first of all if
// none does.
func (s environment) defaultSocket() Address {
	for i, socket := range s.sockets {
		if _, err := os.Stat(socket); err == nil && i > 0 {
			return Address{Host: "unix://" + socket, Origin: "socket of this user"}
		} else if err == nil {
			break
		}
	}
	return Address{Host: "unix://" + s.sockets[0], Origin: "default socket"}
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
