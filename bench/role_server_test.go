//go:build linux

package bench_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// server is an API server, or a custom authentication server. It grants
// everything, when it is up, and takes its time.
type server struct {
	address string
	handler http.Handler
	hangs   atomic.Bool
	running *httptest.Server // nil while nobody listens
}

// beServer starts, stops, hangs and answers again as it is told.
func beServer(argument []byte) (func(string) (any, error), error) {
	var kind string
	if err := json.Unmarshal(argument, &kind); err != nil {
		return nil, err
	}
	s := &server{address: "127.0.0.1:0"}
	s.handler = map[string]http.Handler{"api": http.HandlerFunc(serveAPI), "custom": http.HandlerFunc(serveCustom)}[kind]
	if err := s.start(); err != nil {
		return nil, err
	}
	where := authentication{
		Endpoint: s.running.URL,
		CA:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.running.Certificate().Raw}),
	}
	return func(line string) (any, error) {
		switch line {
		case "where":
			return where, nil
		case "start":
			return nil, s.start()
		case "stop":
			s.stop()
		case "hang":
			s.hangs.Store(true)
		case "answer":
			s.hangs.Store(false)
		default:
			return nil, fmt.Errorf("a server does not %s", line)
		}
		return nil, nil
	}, nil
}

func (s *server) start() error {
	if s.running != nil {
		return nil
	}
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.address = ln.Addr().String()
	s.running = httptest.NewUnstartedServer(s)
	_ = s.running.Listener.Close()
	s.running.Listener = ln
	s.running.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.running.StartTLS()
	return nil
}

func (s *server) stop() {
	if s.running != nil {
		s.running.CloseClientConnections()
		s.running.Close()
		s.running = nil
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.hangs.Load() {
		<-r.Context().Done()
		return
	}
	s.handler.ServeHTTP(w, r)
}

// takeTime is how the servers are slow.
func takeTime(r *http.Request) {
	select {
	case <-time.After(slowAnswer):
	case <-r.Context().Done():
	}
}

// serveAPI answers the two questions about a token.
func serveAPI(w http.ResponseWriter, r *http.Request) {
	const uid = "11111111-2222-3333-4444-555555555555"
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
}

func serveCustom(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	takeTime(r)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{}`)
}
