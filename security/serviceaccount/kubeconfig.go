package serviceaccount

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// kubeconfig is the part of a kubeconfig that leads to an API server, and what
// would lead there by ways that Weir does not go.
type kubeconfig struct {
	APIVersion     string                     `json:"apiVersion"`
	Kind           string                     `json:"kind"`
	CurrentContext string                     `json:"current-context"`
	Preferences    json.RawMessage            `json:"preferences"`
	Extensions     json.RawMessage            `json:"extensions"`
	Contexts       []named[kubeconfigContext] `json:"contexts"`
	Clusters       []named[kubeconfigCluster] `json:"clusters"`
	Users          []named[kubeconfigUser]    `json:"users"`
}

// named is an element of a list of a kubeconfig. The key of the value differs
// from list to list.
type named[T any] struct {
	Name    string `json:"name"`
	Context *T     `json:"context"`
	Cluster *T     `json:"cluster"`
	User    *T     `json:"user"`
}

func (n named[T]) value() *T {
	for _, v := range []*T{n.Context, n.Cluster, n.User} {
		if v != nil {
			return v
		}
	}
	return new(T)
}

type kubeconfigContext struct {
	Cluster    string          `json:"cluster"`
	User       string          `json:"user"`
	Namespace  string          `json:"namespace"`
	Extensions json.RawMessage `json:"extensions"`
}

type kubeconfigCluster struct {
	Server     string          `json:"server"`
	ServerName string          `json:"tls-server-name"`
	CAFile     string          `json:"certificate-authority"`
	CAData     []byte          `json:"certificate-authority-data"`
	Insecure   bool            `json:"insecure-skip-tls-verify"`
	Proxy      string          `json:"proxy-url"`
	Compress   bool            `json:"disable-compression"`
	Extensions json.RawMessage `json:"extensions"`
}

type kubeconfigUser struct {
	Token           string          `json:"token"`
	TokenFile       string          `json:"tokenFile"`
	CertificateFile string          `json:"client-certificate"`
	CertificateData []byte          `json:"client-certificate-data"`
	KeyFile         string          `json:"client-key"`
	KeyData         []byte          `json:"client-key-data"`
	UserName        string          `json:"username"`
	Password        string          `json:"password"`
	As              string          `json:"as"`
	AsUID           string          `json:"as-uid"`
	AsGroups        json.RawMessage `json:"as-groups"`
	AsExtra         json.RawMessage `json:"as-user-extra"`
	Exec            json.RawMessage `json:"exec"`
	AuthProvider    json.RawMessage `json:"auth-provider"`
	Extensions      json.RawMessage `json:"extensions"`
}

// KubeconfigError is what is wrong with a kubeconfig, in words for its author.
// It holds no secret.
type KubeconfigError struct {
	Field   string // such as users[weir].user.exec; "" for the whole
	Problem string // what is wrong, and what would be right
}

// Error implements error.
func (e *KubeconfigError) Error() string {
	if e.Field == "" {
		return "kubeconfig: " + e.Problem
	}
	return "kubeconfig: " + e.Field + ": " + e.Problem
}

func kubeconfigErrorf(field, format string, args ...any) error {
	return &KubeconfigError{field, fmt.Sprintf(format, args...)}
}

// ParseKubeconfig returns the Access that the current context of a kubeconfig
// gives: by token, token file, or client certificate. What is there for other
// contexts does not matter. Files are read when they are needed, and again when
// they change; their paths must be absolute. An error is a [*KubeconfigError].
func ParseKubeconfig(text []byte) (Access, error) {
	var k kubeconfig
	// The error is not passed on: it might quote a secret.
	if yaml.UnmarshalStrict(text, &k) != nil {
		if err := yaml.Unmarshal(text, &k); err != nil {
			return Access{}, kubeconfigErrorf("", "is not YAML or JSON, or has a value of the wrong type")
		}
		return Access{}, kubeconfigErrorf("", "has a field twice, or one that no kubeconfig has")
	}
	if k.Kind != "Config" || k.APIVersion != "v1" {
		return Access{}, kubeconfigErrorf("kind", "is not Config of apiVersion v1")
	}
	context, err := pick("contexts", k.Contexts, k.CurrentContext, "current-context")
	if err != nil {
		return Access{}, err
	}
	within := "contexts[" + k.CurrentContext + "].context."
	cluster, err := pick("clusters", k.Clusters, context.Cluster, within+"cluster")
	if err != nil {
		return Access{}, err
	}
	user, err := pick("users", k.Users, context.User, within+"user")
	if err != nil {
		return Access{}, err
	}
	var a Access
	if err := cluster.addTo(&a, "clusters["+context.Cluster+"].cluster."); err != nil {
		return Access{}, err
	}
	if err := user.addTo(&a, "users["+context.User+"].user."); err != nil {
		return Access{}, err
	}
	return a, nil
}

// pick finds the element that a reference names.
func pick[T any](list string, elements []named[T], name, reference string) (*T, error) {
	if name == "" {
		return nil, kubeconfigErrorf(reference, "is missing: name one of %s", list)
	}
	for _, e := range elements {
		if e.Name == name {
			return e.value(), nil
		}
	}
	return nil, kubeconfigErrorf(reference, "names %q, which is not among the %s", name, list)
}

func (c *kubeconfigCluster) addTo(a *Access, path string) (err error) {
	u, err := url.Parse(c.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return kubeconfigErrorf(path+"server", "is not an https URL, and tokens are sent to no other: write https://HOST:PORT")
	}
	switch {
	case c.Insecure:
		return kubeconfigErrorf(path+"insecure-skip-tls-verify", "is refused: anyone could answer for the API server. Give its CA under certificate-authority-data")
	case c.Proxy != "":
		return kubeconfigErrorf(path+"proxy-url", "is not supported: give an address that is reached directly")
	}
	a.server, a.serverName = u.Scheme+"://"+u.Host+strings.TrimRight(u.EscapedPath(), "/"), c.ServerName
	a.ca, err = materialOf(path+"certificate-authority", c.CAFile, c.CAData)
	return err
}

func (u *kubeconfigUser) addTo(a *Access, path string) (err error) {
	const remedy = "is not supported: create a service account for Weir and put its token under token or tokenFile, or use a client certificate"
	for _, refused := range []struct {
		field string
		isSet bool
	}{
		{"exec", u.Exec != nil},
		{"auth-provider", u.AuthProvider != nil},
		{"username", u.UserName != "" || u.Password != ""},
		{"as", u.As != "" || u.AsUID != "" || u.AsGroups != nil || u.AsExtra != nil},
	} {
		if refused.isSet {
			return kubeconfigErrorf(path+refused.field, remedy)
		}
	}
	var inline []byte
	if u.Token != "" && u.TokenFile == "" { // kubectl has the file win
		inline = []byte(u.Token)
	}
	if a.token, err = materialOf(path+"tokenFile", u.TokenFile, inline); err != nil {
		return err
	}
	if a.certificate, err = materialOf(path+"client-certificate", u.CertificateFile, u.CertificateData); err != nil {
		return err
	}
	if a.key, err = materialOf(path+"client-key", u.KeyFile, u.KeyData); err != nil {
		return err
	}
	switch {
	case a.certificate.isSet() != a.key.isSet():
		return kubeconfigErrorf(path+"client-certificate", "and client-key go together: give both or neither")
	case !a.certificate.isSet() && !a.token.isSet():
		return kubeconfigErrorf(path+"token", "is missing, and there is no client certificate: the API server answers nobody whom it does not know")
	}
	return nil
}

// materialOf returns what a file holds, or else data.
func materialOf(field, file string, data []byte) (material, error) {
	switch {
	case file != "" && data != nil:
		return material{}, kubeconfigErrorf(field, "is there beside %s-data: keep one of them", field)
	case file != "" && !filepath.IsAbs(file):
		return material{}, kubeconfigErrorf(field, "is not an absolute path: write one, or put the contents into the kubeconfig, as `kubectl config view --raw --flatten` does")
	}
	return material{file, data}, nil
}
