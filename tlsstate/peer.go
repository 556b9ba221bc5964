package tlsstate

import (
	"crypto/tls"
	"crypto/x509"
)

// Peer is who is at the other end, as the handshake left it. A parsed
// certificate takes about 3 KB: keep what authorization needs and let the rest
// go, see [Conn.ForgetPeer]. Treat the certificates as read-only.
type Peer struct {
	// Presented are the certificates the client sent, leaf first; it has
	// proved that it holds the leaf's key. Not verified by themselves: take
	// names and attributes from Chains.
	Presented []*x509.Certificate
	// Chains are the verified chains, each from the leaf to a trust anchor. For
	// a resumed session too they end at the ClientCAs of this handshake's time,
	// not of the session's. Nil when no certificate was given or none is verified.
	Chains [][]*x509.Certificate
	// ServerName is the host name the client asked for by SNI, or "".
	ServerName string
	// Resumed reports whether the client continued an earlier session: its
	// certificates are those of that session, verified again.
	Resumed bool
}

// newPeer takes the peer from an established connection of a port that now
// speaks as config says.
func newPeer(state *tls.ConnectionState, config *Config) (*Peer, error) {
	p := &Peer{
		ServerName: state.ServerName,
		Resumed:    state.DidResume,
	}
	p.Presented = append(p.Presented, state.PeerCertificates...)
	for _, chain := range state.VerifiedChains {
		p.Chains = append(p.Chains, append([]*x509.Certificate(nil), chain...))
	}
	// crypto/tls resumes a session when any of its chains still holds, and then
	// reports all of them, also those to a CA that is trusted no more. Names
	// and attributes must not be read from such a chain, so then build them
	// anew. Not when all of them hold, as they do but for a change of CAs: that
	// would be the verification of signatures that resuming is to spare.
	if state.DidResume && len(p.Presented) > 0 && config.ClientCertificates.verified() && !config.uphold(p.Chains) {
		var err error
		if p.Chains, err = config.verify(p.Presented); err != nil {
			return nil, err
		}
	}
	return p, nil
}
