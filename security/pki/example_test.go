package pki_test

import (
	"fmt"
	"net"

	"github.com/weirmq/weir/security/pki"
)

// A Server's certificate below an intermediate, and what goes where.
func Example() {
	root, err := pki.NewRoot(pki.Options{CommonName: "Contoso Root CA"})
	if err != nil {
		panic(err)
	}
	intermediate, err := root.NewIntermediate(pki.Options{CommonName: "Contoso Intermediate CA 1"})
	if err != nil {
		panic(err)
	}
	server, err := intermediate.NewLeaf(pki.Options{
		CommonName:  "gateway",
		DNSNames:    []string{"gateway", "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		panic(err)
	}

	fmt.Println("Clients trust", root.Cert.Subject)
	for _, cert := range server.Chain {
		fmt.Println("the Server sends", cert.Subject)
	}
	// Output:
	// Clients trust CN=Contoso Root CA
	// the Server sends CN=gateway
	// the Server sends CN=Contoso Intermediate CA 1
}
