package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weirmq/weir/codec"
)

// Times that a broker has.
const (
	startTime = 20 * time.Second
	stopTime  = 5 * time.Second
)

// Running is a Peer's process.
type Running struct {
	Peer   *Peer
	Site   Site
	cmd    *exec.Cmd
	ended  chan struct{} // closed once it has been waited for
	log    *os.File
	reason error // why it ended, once ended is closed
}

// traceGC has Go's runtime write a line for each garbage collection, see gcTime.
const traceGC = "GODEBUG=gctrace=1"

// Start runs program, which is a Peer's, on a free port in the place of s's, and
// returns when it answers CONNECT. Stop it.
func Start(ctx context.Context, p *Peer, program string, s Site) (*Running, error) {
	var err error
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	r := &Running{Peer: p, Site: s, ended: make(chan struct{})}
	setup := p.Configure(r.Site)
	if err := setup.write(s.Dir); err != nil {
		return nil, err
	}
	if r.log, err = os.Create(filepath.Join(s.Dir, "output")); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(program, setup.Args...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.Env = append(os.Environ(), traceGC)
	if err := r.cmd.Start(); err != nil {
		r.log.Close()
		return nil, err
	}
	go func() {
		r.reason = r.cmd.Wait()
		close(r.ended)
	}()
	if err := r.await(ctx); err != nil {
		r.Stop()
		return nil, fmt.Errorf("%w%s", err, r.output())
	}
	return r, nil
}

// PID returns the process id.
func (r *Running) PID() int { return r.cmd.Process.Pid }

// URL returns the address as weir bench takes it.
func (r *Running) URL() string { return r.Site.url() }

func (s Site) url() string {
	if s.Door == Plain {
		return "mqtt://" + s.address()
	}
	return "mqtts://" + s.address()
}

// Stop ends the process and waits for that.
func (r *Running) Stop() {
	defer r.log.Close()
	// That it has ended already is all the better.
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(stopTime):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

// Spent returns the CPU time that the process has taken from its start until
// Stop, which must have returned, and how much of it collected garbage: 0 if the
// program is not Go.
func (r *Running) Spent() (cpu, gc time.Duration, err error) {
	text, err := os.ReadFile(r.log.Name())
	if err != nil {
		return 0, 0, err
	}
	state := r.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), gcTime(text), nil
}

// output returns what the process has written last, for an error.
func (r *Running) output() string {
	const most = 2000
	text, err := os.ReadFile(r.log.Name())
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return ""
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return fmt.Sprintf("; its output ends with:\n%s", text)
}

func (s *Setup) write(dir string) error {
	for name, text := range s.Files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, target := range s.Links {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, path); err != nil {
			return err
		}
	}
	return nil
}

// FindMosquitto returns the path of its program. It also looks where Debian has it, which is on the PATH of root
// only.
func FindMosquitto() (string, error) {
	program, err := exec.LookPath("mosquitto")
	if err == nil {
		return program, nil
	}
	if program, err = exec.LookPath("/usr/sbin/mosquitto"); err == nil {
		return program, nil
	}
	return "", errors.New("mosquitto is not installed: with Debian and Ubuntu, apt-get install --no-install-recommends mosquitto")
}

// freePort returns a port that nobody listens on. Somebody else may take it
// before the broker does, and then the broker does not start.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// await waits until the broker answers, but no longer than startTime.
func (r *Running) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		err := r.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-r.ended:
			return fmt.Errorf("%s ended before it answered: %w", r.Peer.Name, errors.Join(r.reason, err))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", r.Peer.Name, r.URL(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers connects once.
func (r *Running) answers(ctx context.Context) error {
	config, err := r.Site.clientTLS()
	if err != nil {
		return err
	}
	var c net.Conn
	if config == nil {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", r.Site.address())
	} else {
		c, err = (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", r.Site.address())
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(stopTime)); err != nil {
		return err
	}
	if _, err := c.Write(codec.AppendConnect(nil, &codec.Connect{Version: codec.V311, ClientID: []byte("probe"), CleanStart: true})); err != nil {
		return err
	}
	var connack [4]byte
	if _, err := io.ReadFull(c, connack[:]); err != nil {
		return err
	}
	frame, _, err := codec.ReadFrame(connack[:], 0)
	if err != nil {
		return err
	}
	if frame.Type != codec.TypeConnack || connack[3] != 0 {
		return fmt.Errorf("the answer to CONNECT is %x, want a CONNACK with success", connack)
	}
	return nil
}

// clientTLS returns how a Client gets in, nil for Plain.
func (s Site) clientTLS() (*tls.Config, error) {
	if s.Door == Plain {
		return nil, nil
	}
	root, err := os.ReadFile(s.Keys.ServerCA)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("%s holds no certificate", s.Keys.ServerCA)
	}
	if s.Door == MutualTLS {
		pair, err := tls.LoadX509KeyPair(s.Keys.ClientCert, s.Keys.ClientKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
