package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/pki"
)

func (a *app) pkiCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pki",
		Short: "Create and read certificates for a tutorial or a test",
		Long: `Create certificates like 'step certificate create' with the profiles root-ca,
intermediate-ca and leaf. Private keys are written unencrypted: this is for
tutorials and tests, and no certificate authority for production.`,
		Example: `  weir pki root "Fabrikam Root CA" fabrikam_root_ca.crt fabrikam_root_ca.key
  weir pki intermediate "Fabrikam Intermediate CA 1" fabrikam_intermediate_ca.crt fabrikam_intermediate_ca.key \
      --ca fabrikam_root_ca.crt --ca-key fabrikam_root_ca.key
  weir pki leaf thermostat thermostat.crt thermostat.key --bundle --not-after 2400h \
      --ca fabrikam_intermediate_ca.crt --ca-key fabrikam_intermediate_ca.key
  weir pki subject thermostat.crt`,
	}
	c.AddCommand(
		a.issueCommand("root", "Create a self-signed root CA"),
		a.issueCommand("intermediate", "Create an intermediate CA, which issues leaves only"),
		a.issueCommand("leaf", "Create the certificate of a Server or a Client"),
		a.subjectCommand(),
	)
	return c
}

// issuing is what the flags of one weir pki root, intermediate or leaf say.
type issuing struct {
	profile             string
	ca, caKey           string
	bundle, force       bool
	sans                []string
	notBefore, notAfter string
	kty                 string
}

func (a *app) issueCommand(profile, short string) *cobra.Command {
	o := &issuing{profile: profile}
	c := &cobra.Command{
		Use:   profile + " SUBJECT CRT KEY",
		Short: short,
		Long: short + `.

SUBJECT is the common name; the certificate is written to the file CRT and its
private key, unencrypted, to the file KEY.`,
		Args: arguments("SUBJECT", "CRT", "KEY"),
		RunE: func(_ *cobra.Command, args []string) error { return a.issue(o, args[0], args[1], args[2]) },
	}
	f := c.Flags()
	if profile != "root" {
		f.StringVar(&o.ca, "ca", "", "the `file` with the certificate of the issuing CA")
		f.StringVar(&o.caKey, "ca-key", "", "the `file` with its private key")
		require(c, "ca", "ca-key")
	}
	lifetime := "10 years"
	if profile == "leaf" {
		lifetime = "24h"
		f.BoolVar(&o.bundle, "bundle", false, "write the intermediate to CRT too, as a TLS handshake needs it")
		f.StringArrayVar(&o.sans, "san", nil, "a DNS `name`, IP address or URI the certificate is for; may be repeated (default SUBJECT, if it can be one)")
	}
	f.StringVar(&o.notBefore, "not-before", "", "begin of the validity: an RFC 3339 `time`, or a duration from now such as -1h (default 5 minutes ago)")
	f.StringVar(&o.notAfter, "not-after", "", "end of the validity: an RFC 3339 `time`, or a duration from now such as 2400h (default in "+lifetime+")")
	f.StringVar(&o.kty, "kty", pki.KeyEC, "the `kind` of key: "+strings.Join(keyKinds, ", "))
	f.BoolVar(&o.force, "force", false, "replace files that exist")
	complete(c, "kty", cobra.FixedCompletions(keyKinds, cobra.ShellCompDirectiveNoFileComp))
	return c
}

var keyKinds = []string{pki.KeyEC, pki.KeyEC384, pki.KeyRSA, pki.KeyEd25519}

// issue creates one certificate and its key.
func (a *app) issue(o *issuing, subject, crt, key string) error {
	options, err := o.options(subject, time.Now())
	if err != nil {
		return err
	}
	if !o.force {
		// Both before anything is generated, so that no key is left alone.
		for _, path := range []string{crt, key} {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s exists; give --force to replace it", path)
			}
		}
	}

	var certPEM []byte
	var keyPEM func() ([]byte, error)
	if o.profile == "root" {
		root, err := pki.NewRoot(options)
		if err != nil {
			return err
		}
		certPEM, keyPEM = root.CertPEM(), root.KeyPEM
	} else {
		issuer, err := loadAuthority(o.ca, o.caKey)
		if err != nil {
			return err
		}
		switch o.profile {
		case "intermediate":
			intermediate, err := issuer.NewIntermediate(options)
			if err != nil {
				return err
			}
			certPEM, keyPEM = intermediate.CertPEM(), intermediate.KeyPEM
		default:
			leaf, err := issuer.NewLeaf(options)
			if err != nil {
				return err
			}
			certPEM, keyPEM = leaf.CertPEM(), leaf.KeyPEM
			if o.bundle {
				certPEM = leaf.BundlePEM()
			}
		}
	}
	if err := writePair(crt, certPEM, key, keyPEM); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "Certificate written to %s.\nPrivate key written to %s.\n", crt, key)
	return err
}

// options turns the flags into what package pki takes.
func (o *issuing) options(subject string, now time.Time) (pki.Options, error) {
	options := pki.Options{CommonName: subject}
	i := slices.IndexFunc(keyKinds, func(kind string) bool { return strings.EqualFold(kind, o.kty) })
	if i < 0 {
		return options, usagef("--kty %q is unknown: write one of %s", o.kty, strings.Join(keyKinds, ", "))
	}
	options.Key = keyKinds[i]
	var err error
	if options.NotBefore, err = parseInstant("--not-before", o.notBefore, now); err != nil {
		return options, err
	}
	if options.NotAfter, err = parseInstant("--not-after", o.notAfter, now); err != nil {
		return options, err
	}
	for _, san := range o.sans {
		if san == "" {
			return options, usagef("--san is empty: give a DNS name, an IP address or a URI")
		}
		if ip := net.ParseIP(san); ip != nil {
			options.IPAddresses = append(options.IPAddresses, ip)
		} else if u, err := url.Parse(san); err == nil && u.Scheme != "" && u.Host != "" {
			options.URIs = append(options.URIs, u)
		} else {
			options.DNSNames = append(options.DNSNames, san)
		}
	}
	return options, nil
}

// parseInstant reads a flag that holds a time or a duration from now. The
// zero time stands for a flag that was not given.
func parseInstant(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, usagef("%s %q is neither a time such as %s nor a duration such as 2400h",
			flag, s, now.UTC().Format(time.RFC3339))
	}
	return now.Add(d), nil
}

// writePair writes a certificate and its key, the key first: a certificate
// without a key is of no use, and looks as if it were.
func writePair(crt string, certPEM []byte, key string, keyPEM func() ([]byte, error)) error {
	encoded, err := keyPEM()
	if err != nil {
		return err
	}
	if err := writeFile(key, encoded, modePrivate); err != nil {
		return err
	}
	return writeFile(crt, certPEM, modePublic)
}

// loadAuthority reads back what weir pki root or intermediate wrote.
func loadAuthority(crt, key string) (*pki.Authority, error) {
	certPEM, err := os.ReadFile(crt)
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	authority, err := pki.LoadAuthority(certPEM, keyPEM)
	if err != nil {
		file := crt
		if load := (*pki.LoadError)(nil); errors.As(err, &load) && load.Part == "key" {
			file = key
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return authority, nil
}

func (a *app) subjectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "subject FILE",
		Short: "Print the subjects of certificates as authorizationAttributes wants them",
		Long: `Print the subject of each certificate in FILE ('-' for standard input), the leaf
first, as the field subject of an entry in authorizationAttributes wants it.`,
		Args: arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			certs, err := parseCertificates(args[0], text)
			if err != nil {
				return err
			}
			for _, cert := range certs {
				subject, err := security.SubjectOf(cert.RawSubject)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				if _, err := fmt.Fprintln(a.stdout, subject); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
