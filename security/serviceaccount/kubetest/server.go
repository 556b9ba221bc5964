//go:build linux

package kubetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Issuer is the iss of the tokens that a Server issues.
const Issuer = "https://kubernetes.default.svc.cluster.local"

// startTimeout bounds what takes some 3 seconds on a machine at rest.
const startTimeout = 3 * time.Minute

// maxSocketPath is the longest path that Linux gives a Unix socket.
const maxSocketPath = 107

// Server is a running API server.
type Server struct {
	URL                string // https://127.0.0.1:PORT
	CA                 []byte // PEM
	AdministratorToken string

	directory  string
	programs   string
	flags      []string
	signingKey *ecdsa.PrivateKey
	client     *http.Client
	etcd       *process
	apiserver  *process
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the server of all tests of a package, which calls [StopShared]
// in its TestMain.
func Shared(t testing.TB) *Server {
	t.Helper()
	directory := programs(t)
	shared.once.Do(func() { shared.server, shared.err = start(directory) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// StopShared stops the server that Shared has started, if it has.
func StopShared() {
	if shared.server != nil {
		shared.server.stop()
	}
}

// Start returns a server that the test has for itself, to kill it perhaps.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(programs(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func start(programs string) (*Server, error) {
	directory, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return nil, err
	}
	s := &Server{directory: directory, programs: programs}
	if err := s.start(); err != nil {
		err = fmt.Errorf("%w\n%s", err, s.log())
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start() error {
	if err := s.writeKeys(); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}

	// A socket needs no free port, and nobody else can connect to it.
	socket := filepath.Join(s.directory, "etcd.sock")
	if len(socket) > maxSocketPath {
		return fmt.Errorf("the path of TMPDIR is too long for a socket, %s", socket)
	}
	var err error
	s.etcd, err = startProcess(filepath.Join(s.programs, "etcd"), s.directory,
		"--data-dir="+filepath.Join(s.directory, "etcd"),
		"--listen-client-urls=unix://"+socket,
		"--advertise-client-urls=http://127.0.0.1:0", // required, and never dialed
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync", "--log-level=warn")
	if err != nil {
		return err
	}
	const tries = 3 // somebody else can take a port before the server does
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.URL = "https://127.0.0.1:" + port
		s.flags = []string{
			"--etcd-servers=unix://" + socket,
			"--bind-address=127.0.0.1", "--secure-port=" + port,
			"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
			"--tls-cert-file=" + s.file(serverCertFile), "--tls-private-key-file=" + s.file(serverKeyFile),
			"--token-auth-file=" + s.file(tokensFile), "--anonymous-auth=false",
			"--authorization-mode=RBAC",
			"--service-account-issuer=" + Issuer,
			"--service-account-signing-key-file=" + s.file(signingKeyFile),
			"--service-account-key-file=" + s.file(verifyKeyFile),
			"--service-cluster-ip-range=10.0.0.0/24",
			"--profiling=false",
		}
		if err = s.serve(); err == nil || try == tries || !strings.Contains(s.log(), "address already in use") {
			return err
		}
	}
}

func (s *Server) file(name string) string { return filepath.Join(s.directory, name) }

// serve starts kube-apiserver and waits until it is ready.
func (s *Server) serve() (err error) {
	if s.apiserver, err = startProcess(filepath.Join(s.programs, "kube-apiserver"), s.directory, s.flags...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// The namespace is made by a hook that /readyz does not wait for.
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		for s.get(ctx, path) != http.StatusOK {
			select {
			case <-s.etcd.done:
				return fmt.Errorf("etcd ended: %w", s.etcd.err)
			case <-s.apiserver.done:
				return fmt.Errorf("kube-apiserver ended: %w", s.apiserver.err)
			case <-ctx.Done():
				return errors.New("kube-apiserver does not become ready")
			case <-time.After(50 * time.Millisecond): // a program that starts says nothing
			}
		}
	}
	return nil
}

func (s *Server) get(ctx context.Context, path string) (code int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	code, _, err := s.try(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0
	}
	return code
}

// Kill ends kube-apiserver as a crash does. What it knew is kept.
func (s *Server) Kill() { s.apiserver.kill() }

// Restart starts kube-apiserver again after Kill, on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.serve(); err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
}

// Freeze keeps kube-apiserver from answering, with its connections open, until
// Thaw.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	// It may answer until the last of its threads has taken note.
	for {
		err := unix.Waitid(unix.P_PID, s.apiserver.command.Process.Pid, nil, unix.WSTOPPED, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatalf("kube-apiserver does not stop: %v", err)
		}
	}
}

// Thaw ends Freeze.
func (s *Server) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.apiserver.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) stop() {
	for _, p := range []*process{s.apiserver, s.etcd} {
		if p != nil {
			p.kill() // its data is thrown away, so there is no need to ask
		}
	}
	_ = os.RemoveAll(s.directory)
}

// Do makes a request as an administrator, and fails the test unless it is
// answered with code. It decodes the answer into out, if that is not nil.
func (s *Server) Do(t testing.TB, code int, method, path string, in, out any) {
	t.Helper()
	got, text, err := s.try(context.Background(), method, path, in)
	if err != nil {
		t.Fatal(err)
	}
	if got != code {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, got, code, text)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) try(ctx context.Context, method, path string, in any) (code int, text []byte, err error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return 0, nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, &body)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.AdministratorToken)
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// log returns the end of what the programs have printed.
func (s *Server) log() string {
	const tail = 2000
	var b strings.Builder
	for _, name := range []string{"etcd.log", "kube-apiserver.log"} {
		text, err := os.ReadFile(s.file(name))
		if err != nil {
			continue // not started yet
		}
		b.Write(text[max(0, len(text)-tail):])
	}
	return b.String()
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
