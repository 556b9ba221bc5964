package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/weirmq/weir/engine/resource"
)

// The tutorial's resources that hold no certificates, as manifests.
//
//go:embed demo/*.yaml
var demoManifests embed.FS

// Names of the tutorial, and its port.
const (
	demoListener  = "mqtts-endpoint"
	demoSecret    = "broker-server-cert"
	demoConfigMap = "fabrikam-ca"
	demoCAKey     = "client_ca.pem"
	demoPort      = 8883
)

// demo is what weir demo works on.
type demo struct {
	app  *app
	dir  string
	port int // 0: what the listener has, and at first demoPort
}

func (a *app) demoCommand() *cobra.Command {
	d := demo{app: a}
	var s serving
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: certificates, policies, a broker, and commands to type",
		Long: `Make the certificates and the resources of the tutorial on TLS, X.509 client
authentication and attribute-based access control; serve them; and print commands
that show what the policies allow. What is there from an earlier time is used
again, with the changes you have made to the manifests.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("config") {
				return usagef("the demonstration keeps its manifests in config below --dir; give --dir in place of --config")
			}
			if c.Flags().Changed("port") && (d.port < 1 || d.port > 65535) {
				return usagef("--port %d is no port: write 1 to 65535", d.port)
			}
			logger, err := s.logger(a.stderr)
			if err != nil {
				return err
			}
			number, err := d.prepare()
			if err != nil {
				return err
			}
			if err := d.printGuide(number); err != nil {
				return err
			}
			return s.serve(c.Context(), a.config, logger)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVar(&d.dir, "dir", "weir-demo", "the `directory` to use, made if it is not there")
	c.Flags().IntVar(&d.port, "port", 0, fmt.Sprintf("the `number` of the port (default %d)", demoPort))
	if err := c.MarkFlagDirname("dir"); err != nil {
		panic(err)
	}
	complete(c, "port", cobra.NoFileCompletions)
	s.flags(c)
	return c
}

// prepare makes what the demonstration needs, and returns the port it will
// serve.
func (d *demo) prepare() (number int, err error) {
	d.app.config = filepath.Join(d.dir, "config")
	if err := os.MkdirAll(d.app.config, 0o755); err != nil {
		return 0, err
	}
	if err := d.certificates(); err != nil {
		return 0, err
	}
	if err := d.resources(); err != nil {
		return 0, err
	}
	return d.checkPort()
}

// certificates makes the tutorial's certificates and says what has changed.
func (d *demo) certificates() error {
	made := 0
	pki := demoPKI{dir: d.dir, now: time.Now(), note: func(name, reason string) {
		made++
		if reason != "" {
			fmt.Fprintf(d.app.stdout, "%s made anew, the old files kept as *.old: %s\n", name, reason)
		}
	}}
	if err := pki.ensure(); err != nil {
		return err
	}
	text := "Certificates in %s made.\n"
	if made == 0 {
		text = "Certificates in %s used again.\n"
	}
	_, err := fmt.Fprintf(d.app.stdout, text, d.dir)
	return err
}

// resources brings the resources into the configuration directory: those that
// hold certificates as the certificates are now, the others unless they are
// there, since someone may have changed them to see what happens.
func (d *demo) resources() error {
	secret, err := d.manifest("Secret", demoSecret, "kubernetes.io/tls", map[string]string{
		"tls.crt": demoListener + ".crt",
		"tls.key": demoListener + ".key",
	})
	if err != nil {
		return err
	}
	configMap, err := d.manifest("ConfigMap", demoConfigMap, "", map[string]string{demoCAKey: "fabrikam_root_ca.crt"})
	if err != nil {
		return err
	}
	if err := d.apply(secret, configMap); err != nil {
		return err
	}
	for _, t := range []target{
		{resource.KindBrokerAuthentication, "x509-auth"},
		{resource.KindBrokerAuthorization, "abac-authz"},
		{resource.KindBrokerListener, demoListener},
	} {
		if err := d.resource(t); err != nil {
			return err
		}
	}
	return nil
}

// resource brings in one of the resources that hold no certificates.
func (d *demo) resource(t target) error {
	_, err := d.app.store().Get(t.kind, t.name)
	missing := errors.As(err, new(*resource.NotFoundError))
	if err != nil && !missing {
		return err
	}
	move := false
	if t.kind == resource.KindBrokerListener && d.port != 0 {
		if move, err = d.isElsewhere(); err != nil {
			return err
		}
	}
	if !missing && !move {
		return nil
	}
	manifest, err := demoManifests.ReadFile("demo/" + t.name + ".yaml")
	if err != nil {
		return err
	}
	if move {
		manifest = bytes.Replace(manifest, strconv.AppendInt(nil, demoPort, 10), strconv.AppendInt(nil, int64(d.port), 10), 1)
	}
	// The Store writes what a manifest says and not how it says it, and the
	// comments in these are for whoever tries the demonstration. But it knows
	// its way around files that are there.
	file := filepath.Join(d.app.config, singular(t.kind)+"-"+t.name+".yaml")
	if _, err := os.Lstat(file); !missing || !errors.Is(err, fs.ErrNotExist) {
		return d.apply(manifest)
	}
	if err := writeFile(file, manifest, modePublic); err != nil {
		return err
	}
	return d.app.printResults(resource.Result{Kind: t.kind, Name: t.name, Action: resource.Created})
}

// isElsewhere reports whether the listener has other ports than the one asked
// for.
func (d *demo) isElsewhere() (bool, error) {
	services, err := d.app.store().Services()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(services, func(s resource.Service) bool {
		return s.Listener == demoListener &&
			slices.ContainsFunc(s.Ports, func(p resource.ServicePort) bool { return p.Port == d.port })
	}), nil
}

// manifest builds a Secret or a ConfigMap from files of the directory.
func (d *demo) manifest(kind, name, secretType string, files map[string]string) ([]byte, error) {
	object := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]string `json:"metadata"`
		Type       string            `json:"type,omitempty"`
		StringData map[string]string `json:"stringData,omitempty"`
		Data       map[string]string `json:"data,omitempty"`
	}{APIVersion: "v1", Kind: kind, Metadata: map[string]string{"name": name}, Type: secretType}
	data := make(map[string]string, len(files))
	for key, file := range files {
		content, err := os.ReadFile(filepath.Join(d.dir, file))
		if err != nil {
			return nil, err
		}
		data[key] = string(content)
	}
	if secretType != "" {
		object.StringData = data
	} else {
		object.Data = data
	}
	return yaml.Marshal(object)
}

// apply applies manifests and prints what that changed.
func (d *demo) apply(manifests ...[]byte) error {
	for _, manifest := range manifests {
		results, _, err := d.app.store().Apply(manifest, resource.ApplyOptions{})
		for _, r := range results {
			if r.Action != resource.Unchanged {
				fmt.Fprintln(d.app.stdout, r)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPort returns the number of the listener's port, if it can be opened.
func (d *demo) checkPort() (number int, err error) {
	snapshot, problems := resource.Load(d.app.config, nil)
	for _, port := range snapshot.Ports() {
		if port.Listener != demoListener {
			continue
		}
		if port.State != resource.PortOpen {
			return 0, fmt.Errorf("port %s would not open: %s; see 'weir check --config %s'", port.Name, port.Reason, d.app.config)
		}
		l, err := net.Listen("tcp", net.JoinHostPort(port.Address, strconv.Itoa(port.Number)))
		if err != nil {
			return 0, fmt.Errorf("port %d cannot be used (%w); choose another with --port", port.Number, err)
		}
		return port.Number, l.Close()
	}
	return 0, fmt.Errorf("%s has no listener %s with a valid port:\n%s", d.app.config, demoListener, problems)
}
