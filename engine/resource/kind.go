package resource

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is the kind of an object, spelled as its manifests spell it.
type Kind string

// The kinds that have a meaning here.
const (
	KindBroker               Kind = "Broker"
	KindBrokerListener       Kind = "BrokerListener"
	KindBrokerAuthentication Kind = "BrokerAuthentication"
	KindBrokerAuthorization  Kind = "BrokerAuthorization"
	KindSecret               Kind = "Secret"
	KindConfigMap            Kind = "ConfigMap"
	KindServiceAccount       Kind = "ServiceAccount"
)

// API groups and versions of the kinds. Manifests of every era are accepted;
// what is written here is the version of general availability.
const (
	brokerGroup      = "mqttbroker.iotoperations.azure.com"
	brokerGroupFirst = "mq.iotoperations.azure.com" // of the first preview
	brokerAPIVersion = brokerGroup + "/v1"
	coreAPIVersion   = "v1"
)

var brokerAPIVersions = []string{
	brokerAPIVersion,
	brokerGroup + "/v1beta1",
	brokerGroup + "/v2beta1",
	brokerGroupFirst + "/v1beta1",
}

// kindInfo is what kubectl's users expect to be able to type for a kind.
type kindInfo struct {
	kind    Kind
	group   string // "" for the core group
	plural  string
	aliases []string
}

var kinds = []kindInfo{
	{KindBrokerListener, brokerGroup, "brokerlisteners", []string{"listener", "listeners"}},
	{KindBrokerAuthentication, brokerGroup, "brokerauthentications", []string{"authn", "authentication", "authentications"}},
	{KindBrokerAuthorization, brokerGroup, "brokerauthorizations", []string{"authz", "authorization", "authorizations"}},
	{KindBroker, brokerGroup, "brokers", nil},
	{KindSecret, "", "secrets", nil},
	{KindConfigMap, "", "configmaps", []string{"cm"}},
	{KindServiceAccount, "", "serviceaccounts", []string{"sa"}},
}

// Kinds returns the kinds that have a meaning here, in the order in which a
// listing of everything shows them.
func Kinds() []Kind {
	out := make([]Kind, len(kinds))
	for i := range kinds {
		out[i] = kinds[i].kind
	}
	return out
}

// ParseKind accepts what kubectl does for a kind: singular, plural or short
// name in any case, with or without the API group after a dot.
func ParseKind(s string) (Kind, error) {
	name, group, hasGroup := strings.Cut(strings.ToLower(s), ".")
	for i := range kinds {
		k := &kinds[i]
		if name != k.singular() && name != k.plural && !slices.Contains(k.aliases, name) {
			continue
		}
		if hasGroup && !k.acceptsGroup(group) {
			continue
		}
		return k.kind, nil
	}
	return "", &UnknownKindError{Kind: s}
}

// UnknownKindError is returned for a kind that has no meaning here.
type UnknownKindError struct {
	Kind string // as given
}

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("the server doesn't have a resource type %q", e.Kind)
}

// Resource returns the name that kubectl's results use, such as "secret" or
// "brokerlistener.mqttbroker.iotoperations.azure.com".
func (k Kind) Resource() string {
	i := k.info()
	if i.group == "" {
		return i.singular()
	}
	return i.singular() + "." + i.group
}

// qualified is the plural with the API group, as kubectl's errors have it.
func (k Kind) qualified() string {
	i := k.info()
	if i.group == "" {
		return i.plural
	}
	return i.plural + "." + i.group
}

func (k Kind) apiVersion() string {
	if k.info().group == "" {
		return coreAPIVersion
	}
	return brokerAPIVersion
}

// known reports whether the kind has a meaning here.
func (k Kind) known() bool {
	return slices.ContainsFunc(kinds, func(i kindInfo) bool { return i.kind == k })
}

func (k Kind) info() *kindInfo {
	for i := range kinds {
		if kinds[i].kind == k {
			return &kinds[i]
		}
	}
	lower := strings.ToLower(string(k))
	return &kindInfo{kind: k, plural: lower + "s"}
}

func (i *kindInfo) singular() string { return strings.ToLower(string(i.kind)) }

func (i *kindInfo) acceptsGroup(group string) bool {
	if i.group == "" {
		return group == "" || group == coreAPIVersion
	}
	return group == brokerGroup || group == brokerGroupFirst
}

// acceptsAPIVersion reports whether a manifest of the kind may say so.
func (k Kind) acceptsAPIVersion(v string) bool {
	if k.info().group == "" {
		return v == coreAPIVersion
	}
	return slices.Contains(brokerAPIVersions, v)
}
