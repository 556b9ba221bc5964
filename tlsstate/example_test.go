package tlsstate_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/weirmq/weir/security/pki"
	"github.com/weirmq/weir/tlsstate"
)

// The whole life of a connection. What an event loop would do on each readable
// event is written here as a loop over blocking reads.
func Example() {
	ca, err := pki.NewRoot(pki.Options{CommonName: "Contoso Root CA"})
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := ca.NewLeaf(pki.Options{CommonName: "localhost"})
	if err != nil {
		log.Fatal(err)
	}
	server, err := tlsstate.NewServer(tlsstate.Config{
		Certificates:       []tls.Certificate{leaf.TLSCertificate()},
		ClientCAs:          ca.Pool(),
		ClientCertificates: tlsstate.VerifiedIfGiven,
	})
	if err != nil {
		log.Fatal(err)
	}
	handshaker := tlsstate.NewHandshaker(tlsstate.Limits{})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		client, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{ServerName: "localhost", RootCAs: ca.Pool()})
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.WriteString(client, "PINGREQ")
		_ = client.Close()
	}()

	socket, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	conn, err := handshaker.Handshake(context.Background(), server, socket)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client certificates:", len(conn.Peer().Presented))
	conn.ForgetPeer()

	var plaintext, out, buf []byte
	buf = make([]byte, 4096)
	for n := 0; err == nil; {
		plaintext, err = conn.Open(plaintext, buf[:n]) // first: what came with the handshake
		out = conn.Pending(out[:0])
		if _, werr := socket.Write(out); werr != nil || err != nil {
			break
		}
		if n, err = socket.Read(buf); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%s, then %v\n", plaintext, err)

	// Output:
	// client certificates: 0
	// PINGREQ, then EOF
}
