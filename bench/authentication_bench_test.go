//go:build linux

package bench_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/custom"
	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/security/serviceaccount"
)

const (
	// crowdSize is how many Clients connect at once.
	crowdSize = 2000
	// retryAfter is how long each of them waits when it was refused.
	retryAfter = time.Second
	// slowAnswer is the time that a server takes.
	slowAnswer = 200 * time.Millisecond
)

// BenchmarkTrafficWhileClientsConnect is the latency of messages at a fixed
// rate, on a port without authentication, from when they were to be sent: alone
// (idle), and while two thousand Clients at once want to be authenticated, on the
// same loops, by a server that is slow or does not answer. Those that are refused
// come again every second. Beside p50 and p99 it tells the p99 of the worst
// second, and how many of the Clients were connected at the end; server=none
// tells what the crowd costs that waits for nobody.
//
// The figures are the best of all rounds, which -benchtime=5x makes five: what
// else the machine does only ever adds to them.
func BenchmarkTrafficWhileClientsConnect(b *testing.B) {
	for _, row := range []struct {
		name   string
		length time.Duration
		start  func(b *testing.B) (a security.Authenticator, phases []phase)
	}{
		{"server=none/refuses=false", 5 * time.Second, func(*testing.B) (security.Authenticator, []phase) {
			return everyone{}, []phase{{"storm", func() {}}}
		}},
		{"server=none/refuses=true", 5 * time.Second, func(*testing.B) (security.Authenticator, []phase) {
			return security.NewChain(), []phase{{"storm", func() {}}}
		}},
		{"server=api/answer=200ms", 10 * time.Second, withAPIServer},
		{"server=custom/answer=200ms", 8 * time.Second, func(b *testing.B) (security.Authenticator, []phase) {
			s := newCustomServer(b)
			return s.authenticator(b), []phase{{"storm", s.start}}
		}},
		{"server=custom/down=refuses", 6 * time.Second, func(b *testing.B) (security.Authenticator, []phase) {
			s := newCustomServer(b)
			return s.authenticator(b), []phase{{"down", s.stop}, {"up", s.start}}
		}},
		{"server=custom/down=hangs", 10 * time.Second, func(b *testing.B) (security.Authenticator, []phase) {
			s := newCustomServer(b)
			s.start()
			return s.authenticator(b), []phase{{"down", func() { s.hangs.Store(true) }}, {"up", func() { s.hangs.Store(false) }}}
		}},
	} {
		b.Run(row.name, func(b *testing.B) {
			a, phases := row.start(b)
			e := startEngine(b,
				engine.Listener{Name: "traffic", Address: "127.0.0.1:0"},
				engine.Listener{Name: "storm", Address: "127.0.0.1:0", Authenticator: a},
			)
			traffic := bench.Config{
				Scenario: bench.Latency, Broker: "mqtt://" + e.Addr("traffic").String(), QoS: codec.QoS1,
				Rate: 2000, Duration: row.length,
			}
			best := make(figures)
			for b.Loop() {
				idle := traffic
				idle.Duration = 4 * time.Second
				best.measure(b, idle, "idle")
				for _, p := range phases {
					p.begin()
					// It comes when the measurement has begun. Who measures does
					// not wait for it.
					c := newCrowd(b, e.Addr("storm").String())
					begun, come := context.WithCancel(b.Context())
					traffic.Progress = func(bench.Sample) { come() }
					var coming sync.WaitGroup
					coming.Go(func() {
						<-begun.Done()
						c.say("come")
					})
					best.measure(b, traffic, p.name)
					traffic.Progress = nil
					coming.Wait()
					best[p.name+"-connected"] = c.leave()
				}
			}
			for name, value := range best {
				b.ReportMetric(value, name)
			}
		})
	}
}

// phase is a part of a run with a crowd of its own.
type phase struct {
	name  string
	begin func()
}

// figures are what is reported, by name.
type figures map[string]float64

// measure notes what became of the messages of one run, where it is less than
// before.
func (f figures) measure(b *testing.B, c bench.Config, name string) {
	b.Helper()
	c.TopicPrefix = name
	r, err := bench.Run(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	if !r.Messages.Perfect() {
		b.Errorf("%s: %v", name, r.Messages)
	}
	worst := time.Duration(0)
	for _, s := range r.Samples {
		worst = max(worst, s.P99)
	}
	for what, d := range map[string]time.Duration{"p50": r.Latency.P50, "p99": r.Latency.P99, "p99-worst-second": worst} {
		key := name + "-" + what + "-us"
		if us := float64(d.Microseconds()); f[key] == 0 || us < f[key] {
			f[key] = us
		}
	}
}

// everyone is a method that knows everyone, at once.
type everyone struct{}

func (everyone) AuthenticatesImmediately() bool { return true }

func (everyone) Authenticate(context.Context, *security.Credentials) (security.Result, error) {
	return security.Result{Method: "everyone"}, nil
}

func (everyone) HandlesAuthenticationMethod(string) bool { return true }

// A crowd is a process of its own, so that what two thousand Clients compute is
// not taken for the broker's doing, and of the least priority, as if they had
// processors of their own.
type crowd struct {
	b       *testing.B
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// crowdAddress is the environment variable that makes this program a crowd.
const crowdAddress = "WEIR_TEST_CROWD"

func TestMain(m *testing.M) {
	if address := os.Getenv(crowdAddress); address != "" {
		beCrowd(address)
		return
	}
	os.Exit(m.Run())
}

// newCrowd returns a crowd that has not come yet.
func newCrowd(b *testing.B, address string) *crowd {
	b.Helper()
	c := &crowd{b: b, process: exec.Command("nice", "-n", "19", os.Args[0])}
	c.process.Env = append(os.Environ(), crowdAddress+"="+address)
	in, err := c.process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		b.Fatal(err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	c.say("ready")
	return c
}

// say says something to the crowd, and returns its answer.
func (c *crowd) say(line string) string {
	c.b.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil || !c.out.Scan() {
		c.b.Errorf("the crowd is gone: %v %v", err, c.out.Err())
	}
	return c.out.Text()
}

// leave has the crowd leave, and returns how many of them were connected.
func (c *crowd) leave() (connected float64) {
	c.b.Helper()
	connected, err := strconv.ParseFloat(c.say("count"), 64)
	if err != nil {
		c.b.Fatal(err)
	}
	_ = c.in.Close()
	if err := c.process.Wait(); err != nil {
		c.b.Fatal(err)
	}
	return connected
}

// beCrowd does what the benchmark says, line by line.
func beCrowd(address string) {
	c := &clients{address: address}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "come":
			for i := range crowdSize {
				go c.stay(i)
			}
		}
		fmt.Println(c.connected.Load())
	}
}

// clients is the Clients of a crowd.
type clients struct {
	address   string
	connected atomic.Int64
}

// stay connects one of them, again and again.
func (c *clients) stay(i int) {
	for {
		_ = c.connect(i)       // for which there is a count
		time.Sleep(retryAfter) // as devices do that were refused
	}
}

var errRefused = errors.New("refused")

// connect connects one of them, and stays for good.
func (c *clients) connect(i int) error {
	nc, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	defer nc.Close()
	packet := codec.Connect{Version: codec.V5, ClientID: fmt.Append(nil, "crowd", i), CleanStart: true}
	packet.Properties.SetAuthenticationMethod([]byte(serviceaccount.AuthenticationMethod))
	packet.Properties.SetAuthenticationData([]byte(tokenOf(i)))
	if _, err := nc.Write(codec.AppendConnect(nil, &packet)); err != nil {
		return err
	}
	answer := make([]byte, 256)
	n, err := io.ReadAtLeast(nc, answer, 4)
	if err != nil {
		return err
	}
	if f, size, err := codec.ReadFrame(answer[:n], 0); err != nil || size == 0 || f.Type != codec.TypeConnack || f.Body[1] != 0 {
		return errRefused
	}
	c.connected.Add(1)
	defer c.connected.Add(-1)
	_, err = io.Copy(io.Discard, nc)
	return err
}

// tokenOf returns a token of its own for each Client. Nobody here looks at the
// signature.
func tokenOf(i int) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"exp":%d,"jti":"%d"}`, time.Now().Add(time.Hour).Unix(), i)
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

// takeTime is how the servers here are slow.
func takeTime(r *http.Request) {
	select {
	case <-time.After(slowAnswer):
	case <-r.Context().Done():
	}
}

// withAPIServer returns a method of tokens that asks an API server which takes
// its time for each of the two questions about a token.
func withAPIServer(b *testing.B) (security.Authenticator, []phase) {
	const uid = "11111111-2222-3333-4444-555555555555"
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		takeTime(r)
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"kind":"ServiceAccount","metadata":{"uid":%q}}`, uid)
			return
		}
		var review map[string]any
		if err := json.Unmarshal(body, &review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review["status"] = map[string]any{
			"authenticated": true, "audiences": []string{"weir"},
			"user": map[string]any{"username": "system:serviceaccount:factory:mqtt-client", "uid": uid},
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(review)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	b.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	access, err := serviceaccount.ParseKubeconfig(fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: x,
contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {token: x}}],
clusters: [{name: x, cluster: {server: %q, certificate-authority-data: %s}}]}`, s.URL, base64.StdEncoding.EncodeToString(ca)))
	if err != nil {
		b.Fatal(err)
	}
	reviewer, err := serviceaccount.NewTokenReviewer(serviceaccount.TokenReviewerConfig{Access: access, Audiences: []string{"weir"}})
	if err != nil {
		b.Fatal(err)
	}
	a, err := serviceaccount.New(serviceaccount.Config{Verifier: reviewer})
	if err != nil {
		b.Fatal(err)
	}
	return security.NewChain(a), []phase{{"storm", func() {}}}
}

// customServer is a custom authentication server that can be down.
type customServer struct {
	b       *testing.B
	address string
	root    *pki.Authority
	leaf    *pki.Leaf
	hangs   atomic.Bool
	running *httptest.Server // nil while nobody listens
}

func newCustomServer(b *testing.B) *customServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // for an address
	if err != nil {
		b.Fatal(err)
	}
	s := &customServer{b: b, address: ln.Addr().String()}
	_ = ln.Close()
	if s.root, err = pki.NewRoot(pki.Options{CommonName: "custom"}); err != nil {
		b.Fatal(err)
	}
	if s.leaf, err = s.root.NewLeaf(pki.Options{CommonName: "custom", IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.stop)
	return s
}

func (s *customServer) start() {
	if s.running != nil {
		return
	}
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		s.b.Fatal(err)
	}
	s.running = httptest.NewUnstartedServer(s)
	_ = s.running.Listener.Close()
	s.running.Listener = ln
	s.running.TLS = &tls.Config{Certificates: []tls.Certificate{s.leaf.TLSCertificate()}}
	s.running.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.running.StartTLS()
}

func (s *customServer) stop() {
	if s.running != nil {
		s.running.CloseClientConnections()
		s.running.Close()
		s.running = nil
	}
}

// ServeHTTP grants everything, in time.
func (s *customServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if s.hangs.Load() {
		<-r.Context().Done()
		return
	}
	takeTime(r)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{}`)
}

func (s *customServer) authenticator(b *testing.B) security.Authenticator {
	a, err := custom.New(custom.Config{Endpoint: "https://" + s.address, TrustedCAs: []*x509.Certificate{s.root.Cert}})
	if err != nil {
		b.Fatal(err)
	}
	return security.NewChain(a)
}
