package tlsstate

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// ClientCertificates says what a port asks of its clients' certificates.
type ClientCertificates int

const (
	// NotRequested does not ask for a certificate.
	NotRequested ClientCertificates = iota
	// RequestedUnverified asks for a certificate and takes any, or none. The
	// client has proved that it holds the key, and nothing else: the broker
	// must not trust a name in it. For certificates that someone else judges.
	RequestedUnverified
	// VerifiedIfGiven asks for a certificate and admits a client that has
	// none. One that does not chain to ClientCAs ends the handshake.
	VerifiedIfGiven
	// Required asks for a certificate and insists on one that chains to ClientCAs.
	Required
)

// String returns the name of the constant.
func (c ClientCertificates) String() string {
	switch c {
	case NotRequested:
		return "NotRequested"
	case RequestedUnverified:
		return "RequestedUnverified"
	case VerifiedIfGiven:
		return "VerifiedIfGiven"
	case Required:
		return "Required"
	}
	return fmt.Sprintf("ClientCertificates(%d)", int(c))
}

// verified reports whether a certificate that is given is verified.
func (c ClientCertificates) verified() bool { return c == VerifiedIfGiven || c == Required }

// authType is c in crypto/tls's words. Check has refused unknown values.
func (c ClientCertificates) authType() tls.ClientAuthType {
	return [...]tls.ClientAuthType{
		NotRequested:        tls.NoClientCert,
		RequestedUnverified: tls.RequestClientCert,
		VerifiedIfGiven:     tls.VerifyClientCertIfGiven,
		Required:            tls.RequireAndVerifyClientCert,
	}[c]
}

// Config says how a port speaks TLS. It is given whole to [NewServer] and
// [Server.Update], which keep what it points to: do not modify that afterwards.
type Config struct {
	// Certificates are the server's, at least one. The client's SNI chooses,
	// as in crypto/tls; the first serves a client that names no known host.
	Certificates []tls.Certificate
	// ClientCAs are the trust anchors for client certificates, roots or
	// intermediates. They must be given when certificates are verified: the
	// system's roots are never used.
	ClientCAs *x509.CertPool
	// ClientCertificates says whether clients are asked for certificates.
	ClientCertificates ClientCertificates
	// MinVersion is the lowest version spoken, tls.VersionTLS12 or
	// tls.VersionTLS13. Zero means TLS 1.2. There is no highest.
	MinVersion uint16
	// NextProtos are the ALPN names the port speaks, preferred first, such as
	// "mqtt". A client that offers ALPN but none of these is refused (RFC 7301,
	// section 3.2); one that offers none is not. Empty: ALPN is ignored.
	NextProtos []string
	// Now is the clock that certificates and session tickets are held
	// against. Nil means time.Now. Limits.Timeout runs on the system's clock.
	Now func() time.Time
}

// ConfigError says which field of a [Config] cannot be served, and why.
type ConfigError struct {
	Field  string // such as "Certificates[1].PrivateKey"
	Reason string // what is wrong and what would be right
}

// Error implements error.
func (e *ConfigError) Error() string { return "tlsstate: Config." + e.Field + ": " + e.Reason }

// Check reports, as a [*ConfigError], the first thing that would make c fail
// for every client: better refused when it is read than at each handshake.
func (c Config) Check() error {
	if len(c.Certificates) == 0 {
		return &ConfigError{"Certificates", "is empty; a TLS port needs at least one certificate with its key"}
	}
	for i := range c.Certificates {
		if err := checkCertificate(&c.Certificates[i]); err != nil {
			err.Field = fmt.Sprintf("Certificates[%d]%s", i, err.Field)
			return err
		}
	}
	if c.ClientCertificates < NotRequested || c.ClientCertificates > Required {
		return &ConfigError{"ClientCertificates", fmt.Sprintf("is %d; use a constant from NotRequested to Required", int(c.ClientCertificates))}
	}
	// crypto/tls takes a missing pool to mean the system's roots, which would
	// let in whoever can buy a certificate.
	if c.ClientCertificates.verified() && (c.ClientCAs == nil || c.ClientCAs.Equal(x509.NewCertPool())) {
		return &ConfigError{"ClientCAs", "is empty, but ClientCertificates is " + c.ClientCertificates.String() + "; give the CAs that sign the clients' certificates"}
	}
	switch c.MinVersion {
	case 0, tls.VersionTLS12, tls.VersionTLS13:
	default:
		return &ConfigError{"MinVersion", fmt.Sprintf("is %s; only TLS 1.2 and TLS 1.3 are spoken", tls.VersionName(c.MinVersion))}
	}
	for i, name := range c.NextProtos {
		if len(name) == 0 || len(name) > 255 {
			return &ConfigError{fmt.Sprintf("NextProtos[%d]", i), fmt.Sprintf("has %d bytes; a protocol name has 1 to 255", len(name))}
		}
	}
	return nil
}

// checkCertificate reports what keeps a certificate from being served. The
// Field of the error is relative to the certificate.
func checkCertificate(cert *tls.Certificate) *ConfigError {
	leaf, err := parsedLeaf(cert)
	if err != nil {
		return &ConfigError{".Certificate", err.Error()}
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return &ConfigError{".PrivateKey", "is missing or cannot sign; give the key of " + leaf.Subject.String()}
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return &ConfigError{".PrivateKey", "does not belong to the certificate of " + leaf.Subject.String() + "; the leaf must come first in its chain"}
	}
	return nil
}

// parsedLeaf returns the leaf of cert, which the loader may have parsed.
func parsedLeaf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	if len(cert.Certificate) == 0 {
		return nil, fmt.Errorf("is empty; give the leaf first, then its intermediates")
	}
	return x509.ParseCertificate(cert.Certificate[0])
}

// now is c's clock.
func (c *Config) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// verify builds the chains from a client's certificates, leaf first, to the
// trust anchors, by the rules crypto/tls applies in a full handshake.
func (c *Config) verify(presented []*x509.Certificate) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{
		Roots:         c.ClientCAs,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   c.now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, cert := range presented[1:] {
		opts.Intermediates.AddCert(cert)
	}
	chains, err := presented[0].Verify(opts)
	if err != nil {
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: presented, Err: err}
	}
	return chains, nil
}

// uphold reports whether chains that were verified once, of which there must be
// one, would be now: each ends at a trust anchor, and nothing in it has expired.
// Signatures do not change.
func (c *Config) uphold(chains [][]*x509.Certificate) bool {
	now := c.now()
	for _, chain := range chains {
		for _, cert := range chain {
			if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
				return false
			}
		}
		if !c.anchors(chain[len(chain)-1], now) {
			return false
		}
	}
	return len(chains) > 0
}

// anchors reports whether cert is one of the ClientCAs. A CertPool does not say
// so, but the chain of what is in it is that alone.
func (c *Config) anchors(cert *x509.Certificate, now time.Time) bool {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots:       c.ClientCAs,
		CurrentTime: now,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil && len(chains) == 1 && len(chains[0]) == 1
}

// forClient translates c, which Check has passed, for crypto/tls.
func (c *Config) forClient() *tls.Config {
	certificates := make([]tls.Certificate, len(c.Certificates))
	copy(certificates, c.Certificates)
	for i := range certificates {
		// Without it crypto/tls parses the leaf again for every ClientHello.
		certificates[i].Leaf, _ = parsedLeaf(&certificates[i])
	}
	return &tls.Config{
		Certificates: certificates,
		ClientCAs:    c.ClientCAs,
		ClientAuth:   c.ClientCertificates.authType(),
		MinVersion:   max(c.MinVersion, tls.VersionTLS12),
		NextProtos:   c.NextProtos,
		Time:         c.now,
		// One flush must be one record, not a ramp of small ones.
		DynamicRecordSizingDisabled: true,
	}
}
