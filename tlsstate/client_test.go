package tlsstate

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// bothSides makes a connection whose two ends are Conns. toClient is what the
// server sent with the end of its handshake.
func bothSides(tb testing.TB, s *Server, config *tls.Config) (client, server *Conn, toClient []byte, err error) {
	tb.Helper()
	clientEnd, serverEnd := dialTCP(tb)
	defer clientEnd.Close()
	defer serverEnd.Close()
	h := NewHandshaker(Limits{})
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = h.Handshake(context.Background(), s, serverEnd)
		serverEnd.CloseWrite()
		done <- err
	}()
	client, err = h.HandshakeClient(context.Background(), config, clientEnd)
	if err != nil {
		clientEnd.Close()
		<-done
		return nil, nil, nil, err
	}
	ok(tb, <-done)
	toClient, err = io.ReadAll(clientEnd)
	ok(tb, err)
	return client, server, toClient, nil
}

func TestClientAndServerAreConns(t *testing.T) {
	w := newWorld(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := newServer(t, w.config(Required))
			config := w.clientConfig(version, w.client)
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for round := range 3 { // the later ones resume the first one's session
				client, server, early, err := bothSides(t, s, config)
				ok(t, err)
				_, err = client.Open(nil, early)
				ok(t, err)
				if client.Peer() == nil || len(client.Peer().Presented) == 0 || client.Peer().Presented[0].Subject.CommonName != "localhost" {
					t.Fatalf("round %d: the client's peer is %+v", round, client.Peer())
				}
				if want := round > 0; client.Peer().Resumed != want {
					t.Errorf("round %d: resumed %v, want %v", round, client.Peer().Resumed, want)
				}
				if len(server.Peer().Chains) == 0 {
					t.Errorf("round %d: the server has no chain of the client", round)
				}
				for _, way := range []struct{ from, to *Conn }{{client, server}, {server, client}} {
					sealed, err := way.from.Seal(nil, []byte("PUBLISH"))
					ok(t, err)
					got, err := way.to.Open(nil, sealed)
					if err != nil || string(got) != "PUBLISH" {
						t.Errorf("round %d: opened %q, %v", round, got, err)
					}
				}
			}
		})
	}
}

func TestClientRefusesStrangeServer(t *testing.T) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	config := w.clientConfig(tls.VersionTLS13, w.client)
	config.RootCAs = w.strangerCA.root.Pool()
	_, _, _, err := bothSides(t, s, config)
	var failed *HandshakeError
	if !errors.As(err, &failed) || failed.Cause != BadCertificate {
		t.Errorf("%v, want %v", err, BadCertificate)
	}
}
